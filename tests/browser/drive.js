// What tests ask of the notebook with a path: drive.NAME(path, ...). Never "the current one".
window.drive = (() => {
  const app = () => window.jupyterapp;
  const panel = path =>
    [...app().shell.widgets('main')].find(each => each.context?.path === path);
  const session = path => panel(path)?.context.sessionContext;
  const kernel = path => session(path)?.session?.kernel;
  const cells = path => [...panel(path).content.widgets];
  const model = (path, index) => cells(path)[index].model;

  const hasRun = cell => cell.executionState === 'idle' && cell.executionCount !== null;
  const isEmpty = cell => cell.type !== 'code' || cell.sharedModel.source.trim() === '';
  // So that what ran before is not taken for having run.
  const forget = cell => {
    if (cell.type === 'code') cell.executionCount = null;
  };
  const command = (path, name) => {
    app().shell.activateById(panel(path).id);
    void app().commands.execute(name);
  };

  const withoutKernel = {kernelPreference: {shouldStart: false, shouldReuse: false}};
  const open = (path, options) =>
    void app().commands.execute('docmanager:open', {path, ...options});

  return {
    open: path => open(path),
    openWithoutKernel: path => open(path, withoutKernel),
    isOpen: path => Boolean(panel(path)?.context.isReady && panel(path).content.widgets.length),
    isConnected: path =>
      kernel(path)?.connectionStatus === 'connected' && kernel(path).status === 'idle',
    // Once this is answered, the kernel hears of comms, too.
    greet: async path => void (await kernel(path).info),
    hasKernel: path => Boolean(kernel(path)),
    close: async path => {
      await session(path)?.shutdown();
      panel(path)?.dispose(); // closing the tab would ask whether to save
    },

    startAll: path => {
      cells(path).forEach(each => forget(each.model));
      command(path, 'notebook:run-all-cells');
    },
    start: (path, index) => {
      forget(model(path, index));
      panel(path).content.activeCellIndex = index;
      panel(path).content.deselectAll();
      command(path, 'notebook:run-cell');
    },
    interrupt: path => command(path, 'notebook:interrupt-kernel'),
    restart: path => kernel(path).restart(),
    save: path => panel(path).context.save(),

    isRunning: (path, index) => model(path, index).executionState === 'running',
    hasRun: (path, index) => hasRun(model(path, index)),
    // A kernel is idle before the first request, too, and after a message to a subshell.
    isIdle: path =>
      kernel(path).status === 'idle' &&
      cells(path).every(each => isEmpty(each.model) || hasRun(each.model)),
    outputs: (path, index) => model(path, index).outputs.toJSON(),
  };
})();
