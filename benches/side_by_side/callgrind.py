"""Runs a program under Valgrind's Callgrind, and reads what it counted."""

import collections
import re
import subprocess

from servers import Server

# Files of Rust's own library, of a crate from the registry, and of this workspace.
CRATES = [
    re.compile(r"/registry/src/[^/]+/(?P<crate>.+?)-\d+\.\d+[^/]*/"),
    re.compile(r"/library/(?P<crate>core|alloc|std)/"),
    re.compile(r"(?P<crate>(?:crates/tokenpair(?:-store)?|src)/.+\.rs)$"),
]
VALGRIND = ["valgrind", "--quiet", "--tool=callgrind", "--separate-threads=yes", "--combine-dumps=no", "--fair-sched=try"]


class Counted:
    """The instructions that one thread executed, by function and by source file."""

    def __init__(self):
        self.total = 0
        self.functions = collections.Counter()
        self.files = collections.Counter()

    @classmethod
    def read(cls, path):
        """Reads a file in Callgrind's format. Each name is written out once, with a number that stands for it afterwards."""
        counted, names, function, file = cls(), {}, None, None
        is_call = False

        def name(kind, text):
            number, _, written = text.partition(" ")
            if written:
                names[kind, number] = written
            return names.get((kind, number), number)

        for line in path.read_text(errors="replace").splitlines():
            key, equals, value = line.partition("=")
            if equals and key in ("fl", "fi", "fe", "cfi", "cfl"):
                found = name("file", value)
                file = found if key in ("fl", "fi", "fe") else file
            elif equals and key in ("fn", "cfn"):
                found = name("function", value)
                function = found if key == "fn" else function
            elif equals and key in ("ob", "cob"):
                name("object", value)
            elif equals and key == "calls":
                # The next line has the cost of the function that was called, which counts as its own.
                is_call = True
            elif line[:1] in "0123456789+-*" and " " in line:
                if not is_call:
                    cost = int(line.split()[1])
                    counted.total += cost
                    counted.functions[function] += cost
                    counted.files[file] += cost
                is_call = False
        return counted

    def crates(self):
        """Adds the files up by crate, and leaves those of this workspace apart."""
        crates = collections.Counter()
        for file, cost in self.files.items():
            found = next((found for found in (crate.search(file or "") for crate in CRATES) if found), None)
            crates[found["crate"] if found else "the C library and others"] += cost
        return crates


class Callgrind(Server):
    """A program under Callgrind."""

    def __init__(self, command, port, env, folder, log):
        self.folder = folder
        self.dumps = 0
        super().__init__([*VALGRIND, f"--callgrind-out-file={folder}/counted", *command], port, env, log)

    def busiest(self):
        """Returns what the busiest thread executed since the last call: the worker that served the requests."""
        pid = str(self.process.pid)
        subprocess.run(["callgrind_control", "--dump", pid], check=True, capture_output=True)
        self.dumps += 1
        files = self.folder.glob(f"counted.{self.dumps}-*")
        return max((Counted.read(file) for file in files), key=lambda counted: counted.total)
