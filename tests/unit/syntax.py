"""What tests ask of the syntax trees of a package: its modules, what each imports, and who looks at
the system's clock.
"""

import ast
import os
import sys


def modules_of(package):
    """Return {dotted name below the package: syntax tree} of its modules, the __init__.py left out.
    package: the imported package.
    """
    top = os.path.dirname(package.__file__)
    found = {}
    for folder, _, names in os.walk(top):
        place = [] if folder == top else os.path.relpath(folder, top).split(os.sep)
        for name in names:
            if name.endswith(".py") and name != "__init__.py":
                with open(os.path.join(folder, name)) as source:
                    found[".".join(place + [name[: -len(".py")]])] = ast.parse(source.read())
    return found


def texts(tree):
    """Return the set of all texts that stand in a syntax tree."""
    name = "value" if sys.version_info >= (3, 8) else "s"
    found = [getattr(node, name, None) for node in ast.walk(tree)]
    return {text for text in found if isinstance(text, str)}


def imported(node, package, modules):
    """Return the modules, of a package that has these, which an import statement names; __version__
    is none.
    """
    prefix = package + "."
    if isinstance(node, ast.Import):
        return [alias.name[len(prefix) :] for alias in node.names if alias.name.startswith(prefix)]
    if not isinstance(node, ast.ImportFrom) or (node.module + ".").split(".")[0] != package:
        return []
    place = (node.module + ".")[len(prefix) :]
    if place.rstrip(".") in modules:
        return [place.rstrip(".")]
    return [place + alias.name for alias in node.names if alias.name != "__version__"]


def imports(tree, package, modules):
    return [other for node in ast.walk(tree) for other in imported(node, package, modules)]


def circle(modules, package):
    """Return {module: those that it imports} of the modules that import each other in a circle, or
    others that do.
    """
    waiting = {module: set(imports(tree, package, modules)) for module, tree in modules.items()}
    while True:
        free = [module for module, others in waiting.items() if not others & set(waiting)]
        if not free:
            return waiting
        for module in free:
            del waiting[module]


def inner_imports(tree):
    """Return the import statements that stand in functions."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [
        node
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]


def takers_of_time_of_day(tree):
    """Return the functions that look at the system's clock; an import of its function by itself
    counts as one of no name.
    """
    found = [
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and node.attr == "time"
        and isinstance(node.value, ast.Name)
        and node.value.id == "time"
    ]
    return sorted(
        set(
            found
            + [
                ""
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and node.module == "time"
            ]
        )
    )


DENSE = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.IfExp)


def dense_lines(tree):
    """Return the lines of statements with more than one comprehension or conditional expression."""
    found = []
    for statement in ast.walk(tree):
        if isinstance(statement, ast.stmt):
            dense = [node for node in _expressions(statement) if isinstance(node, DENSE)]
            if len(dense) > 1:
                found.append(statement.lineno)
    return found


def _expressions(node):
    """Yield the nodes of a statement, those of statements within it left out."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.stmt, ast.ExceptHandler)):
            yield child
            for below in _expressions(child):
                yield below
