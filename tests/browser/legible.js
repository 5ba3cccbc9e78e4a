// How well the text within an element is to be read.
//
//   contrast     WCAG's, of its palest piece: from 1 (not at all) to 21; 4.5 is the least, but
//                for what is disabled
//   smallest     the pixels of its smallest font
window.legible = (() => {
  const parse = colour => {
    const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
    return {rgb: [red, green, blue], alpha};
  };
  const over = (above, below, alpha) => above.map((each, i) => each * alpha + below[i] * (1 - alpha));
  const linear = each => (each <= 10 ? each / 3294.6 : ((each / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = rgb =>
    rgb.map(linear).reduce((sum, each, i) => sum + each * [0.2126, 0.7152, 0.0722][i], 0);

  const lineage = element =>
    element === null ? [] : [...lineage(element.parentElement), element];
  const style = element => getComputedStyle(element);

  const ink = element => style(element)[element instanceof SVGElement ? 'fill' : 'color'];

  // Paints the backgrounds from the page to the element, then its text, as faint as it is.
  const ratio = element => {
    const family = lineage(element).map(style);
    const ground = family.reduce((below, each) => {
      const {rgb, alpha} = parse(each.backgroundColor);
      return over(rgb, below, alpha);
    }, [255, 255, 255]);
    const opacity = family.reduce((product, each) => product * each.opacity, 1);
    const {rgb, alpha} = parse(ink(element));
    const [dark, light] = [over(rgb, ground, alpha * opacity), ground]
      .map(luminance)
      .sort((one, other) => one - other);
    return (light + 0.05) / (dark + 0.05);
  };
  const hasText = element =>
    element.checkVisibility() &&
    !element.closest(':disabled') &&
    [...element.childNodes].some(each => each.nodeType === Node.TEXT_NODE && each.data.trim());

  const pieces = element => [element, ...element.querySelectorAll('*')].filter(hasText);

  // A drawing is scaled with all its letters.
  const scale = element => element.getScreenCTM?.().a ?? 1;
  const pixels = element => parseFloat(style(element).fontSize) * scale(element);

  return {
    contrast: element => Math.min(...pieces(element).map(ratio)),
    smallest: element => Math.min(...pieces(element).map(pixels)),
  };
})();
