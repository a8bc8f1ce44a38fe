"""Which modules a DAG file certainly imports first, and which project files an import really ran."""

import ast
import contextlib
import importlib._bootstrap_external
import io
import os
import sys
import tokenize

_HEAD_LIMIT = 200000


def leading_imports(path):
    """The modules that the file imports before it does anything else, in order; empty when that is unclear.

    Only statements before the first one that is neither an import nor a string count: nothing the file does can have
    changed what those imports mean. Returns pairs (module, names) where names are those of a ``from`` import.
    """
    try:
        with open(path, "rb") as stream:
            text = _head(stream.read(_HEAD_LIMIT))
        body = ast.parse(text).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError, LookupError):
        return []
    found = []
    for statement in body:
        if isinstance(statement, ast.Import):
            found += [(alias.name, ()) for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.level == 0:
            found.append((statement.module, tuple(alias.name for alias in statement.names)))
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            break
    return found


def _head(data):
    """The text up to the first logical line that starts with another word than an import's; never parses the rest."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    text = data.decode(encoding, "replace").splitlines(keepends=True)
    source = iter(text)
    fresh, end = True, 0
    try:
        for token in tokenize.generate_tokens(lambda: next(source, "")):
            if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.INDENT, tokenize.DEDENT):
                continue
            if fresh and token.type != tokenize.STRING and token.string not in ("import", "from"):
                break
            fresh = token.type == tokenize.NEWLINE
            if fresh:
                end = token.end[0]
    except (tokenize.TokenError, SyntaxError, IndentationError):
        pass
    return "".join(text[:end])


class Roots:
    """The folders that the project's modules are imported from."""

    def __init__(self, project_root, folders):
        self.project = os.path.realpath(project_root)
        self.folders = [os.path.realpath(folder) for folder in folders]
        # A runtime may lie inside the project; its packages are not the project's code.
        self._runtime = tuple(os.path.realpath(prefix) + os.sep for prefix in (sys.prefix, sys.base_prefix))
        self._known = {}

    def relative(self, path):
        """The path below the project root, or None when it lies elsewhere."""
        path = os.path.abspath(path)
        if path not in self._known:
            real = os.path.realpath(path)
            inside = real.startswith(self.project + os.sep) and not real.startswith(self._runtime)
            self._known[path] = os.path.relpath(real, self.project).replace(os.sep, "/") if inside else None
        return self._known[path]

    def files_of(self, module):
        """The file of a module of that dotted name, in the first folder that has one, relative to the project."""
        tail = module.replace(".", os.sep)
        for folder in self.folders:
            for name in (tail + ".py", os.path.join(tail, "__init__.py")):
                if os.path.isfile(os.path.join(folder, name)):
                    return [os.path.relpath(os.path.join(folder, name), self.project)]
        return []

    def module_of(self, path):
        """The dotted name that a file of the project is imported by, or None where it has none."""
        full = os.path.realpath(os.path.join(self.project, path))
        for folder in self.folders:
            if full.startswith(folder + os.sep) and full.endswith(".py"):
                parts = os.path.relpath(full, folder)[: -len(".py")].split(os.sep)
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                named = all(part.isidentifier() for part in name.split("."))
                return name if named and self.files_of(name) == [path] else None
        return None

    def holds(self, module):
        """Whether a module of that dotted name lies in one of the folders."""
        tail = module.replace(".", os.sep)
        return any(
            os.path.isfile(os.path.join(folder, tail + ".py")) or os.path.isdir(os.path.join(folder, tail))
            for folder in self.folders
        )


def split(imports, roots):
    """(project modules, modules of the runtime) that the imports load, in order and without repetition."""
    own, foreign = [], []
    for module, names in imports:
        if roots.holds(module.split(".")[0]):
            own.append(module)
            own += ["%s.%s" % (module, name) for name in names if roots.holds("%s.%s" % (module, name))]
        elif module != "__future__":
            foreign.append(module)
    return list(dict.fromkeys(own)), list(dict.fromkeys(foreign))


def foreign_imports(path, roots):
    """What the file certainly imports of the runtime, itself or by what it imports first of the project.

    Pairs (module, name of what is taken from it, or ""), in order and without repetition.
    """
    queue, seen, found = [path], {path}, {}
    for one in queue:
        for module, names in leading_imports(os.path.join(roots.project, one)):
            own, foreign = split([(module, names)], roots)
            found.update(dict.fromkeys((module, name) for module in foreign for name in names or ("",)))
            for inner in (file for module in own for file in roots.files_of(module)):
                if inner not in seen:
                    seen.add(inner)
                    queue.append(inner)
    return list(found)


class Recorder:
    """Notes every project file that this process runs as a module, or opens to read.

    It listens to the interpreter's own audit events, so it sees what ``importlib`` and hand-made loaders do as well.
    A process that forks hands what it has noted to the child.
    """

    def __init__(self, roots):
        self.roots = roots
        self.ran = set()
        self.opened = set()
        # No project code has run yet: whatever is loaded by now belongs to the runtime.
        self._foreign = set(sys.modules)
        self._shared, self._files = None, set()
        sys.addaudithook(self._heard)

    def _heard(self, event, args):
        if event == "exec":
            code = args[0]
            name = getattr(code, "co_filename", None)
            if name and code.co_name == "<module>" and name[0] != "<":
                path = self.roots.relative(name)
                if path is not None:
                    self.ran.add(path)
        elif event == "open" and isinstance(args[0], str):
            mode, flags = args[1], args[2]
            if isinstance(mode, str) and not set(mode) & set("wax+") and not flags & (os.O_WRONLY | os.O_RDWR):
                path = self.roots.relative(args[0])
                if path is not None:
                    self.opened.add(path)

    def begin(self, path):
        """The file at ``path`` starts: what was noted before the first one, all files of the process share."""
        if self._shared is None:
            self._shared = (frozenset(self.ran), frozenset(self.opened))
        self.ran, self.opened = set(self._shared[0]), set(self._shared[1])
        self._files.add(path)

    def noted(self):
        """What was noted beyond the files themselves, to be compared: (modules that ran, files that were opened)."""
        return frozenset(self.ran) - self._files, frozenset(self.opened) - self._files

    @contextlib.contextmanager
    def aside(self):
        """What is noted, and what of the project is loaded, inside the block is forgotten after it."""
        ran, opened, before = set(self.ran), set(self.opened), set(sys.modules)
        try:
            yield
        finally:
            self.ran, self.opened = ran, opened
            for name in set(sys.modules) - before:
                if self._is_own(sys.modules[name]):
                    self._unload(name)

    def _is_own(self, module):
        # A package without an __init__.py has no file.
        paths = getattr(module, "__file__", None) or getattr(module, "__path__", ())
        return any(self.roots.relative(path) is not None for path in ([paths] if isinstance(paths, str) else paths))

    def _unload(self, name):
        module = sys.modules.pop(name)
        package, _, tail = name.rpartition(".")
        held = getattr(sys.modules.get(package), "__dict__", {})
        if held.get(tail) is module:
            del held[tail]

    def imports(self):
        """Project files that ran, and extension modules that were loaded, sorted."""
        found = set(self.ran)
        # Python files are known from having run; what is loaded in another way is an extension.
        found.update(path for _, path in self.loaded() if not path.endswith((".py", ".pyc")))
        return sorted(found)

    def loaded(self):
        """(name, path) of the project's modules in ``sys.modules``, sorted."""
        found = []
        for name in sys.modules.keys() - self._foreign:
            path = getattr(sys.modules.get(name), "__file__", None)
            own = self.roots.relative(path) if isinstance(path, str) else None
            if own is not None:
                found.append((name, own))
            else:
                self._foreign.add(name)
        return sorted(found)

    def reads(self, modules):
        """Project files that were opened to be read and are none of the modules: SQL, YAML, templates; sorted."""
        return sorted(path for path in self.opened.difference(modules) if os.path.isfile(self._full(path)))

    def _full(self, path):
        return os.path.join(self.roots.project, path)


def ignore_stored_bytecode(roots):
    """Project modules are compiled from their source, never taken from or written to ``__pycache__``.

    Stored bytecode is matched by time and size only; deployed files share an old time, so a changed file of the same
    size would go unseen.
    """
    external = importlib._bootstrap_external
    original = external.cache_from_source

    def cache_from_source(path, *args, **options):
        if roots.relative(os.fspath(path)) is not None:
            raise NotImplementedError
        return original(path, *args, **options)

    external.cache_from_source = cache_from_source
