"""IPython's own syntax, such as ``!ls`` and ``%time f(x)``, in what the workers are to run."""

import ast
from collections.abc import Iterator

from IPython.core.error import UsageError

from parmagic.notebook.advice import Step, advice
from parmagic.notebook.plan import Plan

# What ``x?``, ``x??`` and ``*x*?`` stand for.
_QUESTIONS = {"pinfo": "?", "pinfo2": "??", "psearch": "?"}
_TIMERS = {"time", "timeit"}
_LONGEST = 60


def escape_in(plan: Plan) -> UsageError | None:
    """Say of what only IPython understands, in a loop's body or in the function, what to do."""
    return next((each for tree in _sent(plan) for each in escapes(tree)), None)


def escapes(tree: ast.AST) -> Iterator[UsageError]:
    """Find in a tree what IPython has made of its own syntax."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Call(func=ast.Name(id="get_ipython")), attr=str(method)
                ),
                args=[ast.Constant(value=str(word)), *others],
            ):
                lines = [each.value for each in others if isinstance(each, ast.Constant)]
                if mistake := _refused(method, word, str([*lines, ""][0]), node.lineno):
                    yield mistake


def _sent(plan: Plan) -> Iterator[ast.AST]:
    if plan.function is not None:
        yield plan.function
    elif plan.before is not None:
        for statement in plan.before.body:
            match statement:
                # What else the cell defines may well be for the kernel.
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    if name == plan.candidates[0]:
                        yield statement


def _refused(method: str, word: str, line: str, number: int) -> UsageError | None:
    match method:
        case "system":
            return _shell(f"!{word}", f"subprocess.run({_quoted(word)}, shell=True)", number)
        case "getoutput":
            code = f"subprocess.getoutput({_quoted(word)}).splitlines()"
            return _shell(f"!{word}", code, number)
        case "run_cell_magic":
            written = f"%%{word} {line}".strip()
            return _magic(written, ("Write it above %%parmap:", written), number)
        case "run_line_magic":
            mark = _QUESTIONS.get(word)
            written = f"%{word} {line}".strip() if mark is None else f"{line}{mark}"
            return _magic(written, _instead(word, line, written), number)
    return None


def _shell(written: str, code: str, number: int) -> UsageError:
    return advice(
        f"'{written}' on line {number}: the workers have no IPython.",
        ("Write in its place:", code),
        ("and above it:", "import subprocess"),
    )


def _magic(written: str, step: Step, number: int) -> UsageError:
    return advice(
        f"'{written}' on line {number} is IPython's and runs only in the notebook: the workers "
        "have no IPython.",
        step,
    )


def _instead(word: str, line: str, written: str) -> Step:
    if word == "parmap":
        return "Write in its place:", "parmagic.map(f, xs)"
    if word in _TIMERS and line:
        return "The report has the times. Write:", line
    return "Move it out of the body:", written


def _quoted(command: str) -> str:
    """Return the code of a command; names in braces are variables, as after ``!``."""
    if len(command) > _LONGEST:
        return "..."
    return f"{'f' if '{' in command else ''}{command!r}"
