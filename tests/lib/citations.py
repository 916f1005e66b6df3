#!/usr/bin/env python3
"""Whether what comments and pages cite is there. Prints 'file:line: what is wrong'; exit status 1 when anything is.

    citations.py [FILE...]     only what these files cite

In the comments of C sources, of raftkv.proto and of scripts, and in the pages (*.md), a citation is

    fs/eval/rename.c  peer.h  blocks*.c      a file: by its path, by the path behind the folder of the file that cites it, or
                                             by its name where only one file of this layer, or of all, has it
    store/peer/lease.c:lease_renew           a function that is defined in that file
    storage.md § Full disks, storage.md, "Full disks", storage.md#full-disks
                                             a heading of that page, which ends where the heading does
    [text](storage.md#full-disks)  `store/`  in pages: relative to the page; a folder
    `lease_renew`                            in pages: a word of a file that is cited under the same heading, a header and
                                             its source being one

Names in angle brackets are the system's. A name with '*' stands for one file at least.
"""
import fnmatch
import os
import re
import sys

LAYERS = ("proto", "raft", "store", "fs", "mount-helpers", "tests", "docs", "man")
SCANNED = (".c", ".h", ".md", ".proto", ".sh", ".py", "Makefile")
# Made by a build, or of somebody else.
FOREIGN = ("*.pb-c.[ch]", "linux/*.h", "sys/*.h", "lib/errseq.c", "uv/*.h")

PATH = r"(?<![\w/.*<%{}$-])((?:[\w*.-]+/)*[\w*-]+(?:\.[\w-]+)*\.(?:c|h|md|proto|sh|py))(?![\w*>-])(?!\.\w)"
CITATION = re.compile(PATH + r"(?::([A-Za-z_]\w*))?")
SECTION = re.compile(r"[`*)]*(?:#([\w-]+)|,? ?(?:§ ?|\(?)[\"“]([^\"”]+)[\"”]|,? ?§ ?(?!\d)(.{1,100})|,? ?§ ?(\d+))")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FOLDER = re.compile(r"`((?:[\w-]+/)+)`")
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.M)
WORD = re.compile(r"`([a-z]\w*_\w+)(?:\(\))?`")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


class Repository:
    def __init__(self):
        self.paths = set()
        self.by_name = {}
        self.texts = {}
        self.headings_of = {}
        for top, folders, names in os.walk("."):
            folders[:] = [each for each in folders if not each.startswith((".git", "build"))]
            for name in names:
                path = os.path.normpath(os.path.join(top, name))
                self.paths.add(path)
                self.by_name.setdefault(name, []).append(path)

    def text(self, path):
        if path not in self.texts:
            with open(path, encoding="utf-8", errors="replace") as file:
                self.texts[path] = file.read()
        return self.texts[path]

    def find(self, name, citing):
        """The files that the name may mean; none, or several: it says too little."""
        here = os.path.normpath(os.path.join(os.path.dirname(citing), name))
        if "*" in name:
            folder = os.path.dirname(citing) + "/" if "/" not in name else ""
            return fnmatch.filter(self.paths, folder + name) or fnmatch.filter(self.paths, name) or fnmatch.filter(
                self.paths, "*/" + name)
        for path in (name, here):
            if path in self.paths:
                return [path]
        found = [path for path in self.by_name.get(os.path.basename(name), []) if path.endswith("/" + name)]
        layer = [path for path in found if path.split("/")[0] == citing.split("/")[0]]
        return layer if len(layer) == 1 else found

    def defines(self, path, function):
        forms = {".c": r"^[a-zA-Z_][^;\n]*[ *]NAME\([^;{]*\)\n\{", ".h": r"^(?:[a-zA-Z_][^;\n]*[ *]|#define +)NAME\("}
        form = forms.get(os.path.splitext(path)[1], r"^\s*(?:def )?NAME *\(")
        return re.search(form.replace("NAME", re.escape(function)), self.text(path), re.M) is not None

    def headings(self, path):
        if path not in self.headings_of:
            found = HEADING.findall(FENCE.sub(blank, self.text(path)))
            self.headings_of[path] = [re.sub(r"[`*]", "", heading) for heading in found]
        return self.headings_of[path]

    def anchors(self, path):
        return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in self.headings(path)]


def comments(path, text):
    """The text with everything but its comments blanked, so that places stay."""
    if path.endswith(".md"):
        return text
    if path.endswith((".c", ".h", ".proto")):
        kept, end = [], 0
        for match in COMMENT.finditer(text):
            comment = match.group()
            if comment[0] != "/":
                continue
            kept.append(re.sub(r"[^\n]", " ", text[end:match.start()]))
            kept.append(re.sub(r"\n[ \t]*\*(?!/)", lambda star: star.group()[:-1] + " ", comment))
            end = match.end()
        return "".join(kept)
    return re.sub(r"^(?!\s*#).*$|#!.*", blank, text, flags=re.M)


class Check:
    def __init__(self, repository):
        self.repository = repository
        self.breaches = 0

    def breach(self, path, text, place, what):
        self.breaches += 1
        print(f"{path}:{text.count(chr(10), 0, place) + 1}: {what}")

    def section(self, page, behind):
        """What of a section is cited there and is not in the page; None: nothing."""
        match = SECTION.match(re.sub(r"\s+", " ", behind))
        if not match:
            return None
        anchor, quoted, open_ended, number = match.groups()
        if anchor:
            return None if anchor in self.repository.anchors(page) else "#" + anchor
        headings = [heading.lower() for heading in self.repository.headings(page)]
        if quoted:
            return None if quoted.lower() in headings else f'"{quoted}"'
        if open_ended and any(open_ended.lower().startswith(heading) for heading in headings):
            return None
        return "§ " + (number or open_ended)

    def citation(self, path, text, match):
        name, function = match.groups()
        if any(fnmatch.fnmatch(name, foreign) for foreign in FOREIGN):
            return
        found = self.repository.find(name, path)
        if not found:
            self.breach(path, text, match.start(), f"cites {name}, which is not there")
        elif len(found) > 1 and "*" not in name:
            self.breach(path, text, match.start(), f"cites {name}, of which there are {', '.join(sorted(found))}")
        elif function and not any(self.repository.defines(each, function) for each in found):
            self.breach(path, text, match.start(), f"cites {name}:{function}, which is not defined there")
        elif name.endswith(".md"):
            missing = self.section(found[0], text[match.end():match.end() + 300])
            if missing:
                self.breach(path, text, match.start(), f"cites {name} {missing}, which is no heading there")

    def link(self, path, text, match):
        target, _, anchor = match.group(1).partition("#")
        if re.match(r"[a-z]+:", target):
            return
        page = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
        if page not in self.repository.paths and not os.path.isdir(page):
            self.breach(path, text, match.start(), f"cites {target}, which is not there")
        elif anchor and anchor not in self.repository.anchors(page):
            self.breach(path, text, match.start(), f"cites {page} #{anchor}, which is no heading there")

    def words(self, path, text):
        """Under each heading, names without their file."""
        places = [0] + [match.start() for match in HEADING.finditer(text)] + [len(text)]
        for begin, end in zip(places, places[1:]):
            cited = {found for match in CITATION.finditer(text, begin, end) for found in self.repository.find(match.group(1), path)}
            pairs = cited | {found[:-1] + other for found in cited for other in "ch" if found[:-1] + other in self.repository.paths}
            for match in WORD.finditer(text, begin, end):
                if not any(re.search(rf"\b{match.group(1)}\b", self.repository.text(each)) for each in pairs):
                    self.breach(path, text, match.start(), f"cites {match.group(1)}, of no file that is cited beside it")

    def file(self, path):
        text = comments(path, self.repository.text(path))
        if path.endswith(".md"):
            for match in LINK.finditer(text):
                self.link(path, text, match)
            text = LINK.sub(blank, text)
            for match in FOLDER.finditer(text):
                if not match.group(1).startswith("build") and not any(("/" + each).find("/" + match.group(1)) >= 0 for each in self.repository.paths):
                    self.breach(path, text, match.start(), f"cites {match.group(1)}, which is not there")
            self.words(path, text)
        for match in CITATION.finditer(text):
            self.citation(path, text, match)


def main():
    repository = Repository()
    check = Check(repository)
    paths = [os.path.normpath(path) for path in sys.argv[1:]] or sorted(
        path for path in repository.paths
        if path.endswith(SCANNED) and (path.split("/")[0] in LAYERS or "/" not in path))
    for path in paths:
        check.file(path)
    return check.breaches > 0


if __name__ == "__main__":
    sys.exit(main())
