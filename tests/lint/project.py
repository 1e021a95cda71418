"""The files of the project, as the checks see them."""

import re
import subprocess


class Skipped(Exception):
    """A check cannot run on this machine; says why."""


class Project:
    def __init__(self, root, compiler, names=None):
        self.root = root
        self.compiler = compiler
        self.names = names if names is not None else self._tracked()

    def _tracked(self):
        """Files that are, or would be, committed; all but build trees where there is no git."""
        command = ["git", "-C", self.root, "ls-files", "--cached", "--others", "--exclude-standard"]
        try:
            listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            names = set(listed.splitlines())
        except (OSError, subprocess.CalledProcessError):
            names = {str(path.relative_to(self.root)) for path in self.root.rglob("*")}
            names = {name for name in names if not name.startswith(("build/", ".git/"))}
        return sorted(name for name in names if (self.root / name).is_file())

    def files(self, *patterns):
        """Names of the files that one of the regular expressions matches as a whole."""
        return [name for name in self.names if any(re.fullmatch(p, name) for p in patterns)]

    def text(self, name):
        return (self.root / name).read_text(errors="replace")

    def includes(self, name):
        """(line number, '<' or '"', what) of each #include."""
        for number, line in enumerate(self.text(name).splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if found:
                yield number, found[1], found[2]

    def table(self, name, *columns):
        """Rows of the Markdown table of a file whose header has these columns: {column: cell}."""
        header = None
        for line in self.text(name).splitlines():
            cells = [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]
            if not line.lstrip().startswith("|"):
                header = None
            elif header is None:
                header = cells if set(columns) <= set(cells) else None
            elif not re.fullmatch(r"[-: ]+", cells[0]):
                yield dict(zip(header, cells))


CPP_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/"  # comments
    r"|R\"([^(\s]*)\(.*?\)\1\""  # raw strings
    r"|\"(?:\\.|[^\"\\\n])*\"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'",  # and no digit separators
    re.DOTALL,
)


def without(text, *, comments=True, strings=True):
    """C++ source with comments or the contents of literals blanked, line breaks kept."""

    def blank(match):
        token = match[0]
        is_comment = token.startswith(("//", "/*"))
        if not (comments if is_comment else strings):
            return token
        return re.sub(r"[^\n]", " ", token)

    return CPP_TOKEN.sub(blank, text)


STANDARD_HEADERS = set(
    """
    algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv
    chrono cinttypes climits clocale cmath codecvt compare complex concepts condition_variable
    coroutine csetjmp csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar
    cwctype deque exception execution filesystem forward_list fstream functional future
    initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map
    memory memory_resource mutex new numbers numeric optional ostream queue random ranges ratio
    regex scoped_allocator semaphore set shared_mutex source_location span sstream stack stdexcept
    stop_token streambuf string string_view strstream syncstream system_error thread tuple
    type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector
    version
    """.split()
)
