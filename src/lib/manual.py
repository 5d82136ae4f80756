# SPDX-License-Identifier: BSD-2-Clause
"""Makes the manual page of a header of include/berth, in mdoc, out of its comments: manual.py HEADER.

The comment at the head is the description. Each comment before a declaration is the text of that declaration;
comments within a struct or an enum are printed with it, as they stand. A function without a text of its own, or one
whose text does not end with the threads that may call it, is refused.
"""
import os
import re
import sys

ITEM = re.compile(r"^/\*(?P<text>(?:(?!\*/).)*)\*/\n(?P<code>(?:#define |BERTH_API |struct |enum |typedef |static inline ).*?)"
                  r"(?=^/\*|^#ifdef __cplusplus|^#endif|\Z)", re.S | re.M)
FUNCTION = re.compile(r"^(?:BERTH_API|static inline) [^;{(]*?\b(berth_\w+)\(", re.M)
THREADS = re.compile(r"\b(Any thread|One at a time|Reader|Writer|Within the habit's call)\b[^.]*\.$")


def without_rule(text, items):
    """Functions that no comment, or one without a rule of threads, stands right before."""
    ruled = {name for paragraphs, code in items if THREADS.search(paragraphs[-1])
             for name in FUNCTION.findall(code.split("\n\n")[0])}
    return [name for name in FUNCTION.findall(text) if name not in ruled]


def words(comment):
    """Paragraphs of a comment, without its stars."""
    lines = [re.sub(r"^\s*\* ?", "", line).strip() for line in comment.strip("\n").split("\n")]
    # An item of a list is a paragraph.
    lines = ["\n" + line if re.match(r"([0-9]\.|-) ", line) else line for line in lines]
    return [" ".join(p.split("\n")).strip() for p in re.split(r"\n\s*\n", "\n".join(lines).strip())]


def quoted(text):
    """Text that roff takes for itself."""
    text = text.replace("\\", "\\e")
    return "\n".join(re.sub(r"^([.'])", r"\\&\1", line) for line in text.split("\n"))


def prose(paragraphs):
    """Paragraphs with a new line after each sentence, as mdoc wants it."""
    return "\n.Pp\n".join(quoted(re.sub(r"(\w[)\"]?[.!?]\)?) (?=\S)", r"\1\n", p) if not re.match(r"[0-9]\. ", p)
                                else quoted(p)) for p in paragraphs)


def shape(code):
    """A declaration as it is shown: an inline function without its body, a macro by its name."""
    code = code.strip("\n")
    # That there is such a struct its functions say.
    code = re.sub(r"^struct \w+;\n*", "", code, flags=re.M).strip("\n")
    if code.startswith("static inline"):
        return code[:code.index("\n{")] + ";"
    if code.startswith("#define"):
        return re.split(r"\s{2,}|\\\n", code)[0] if "(" in code.split("\n")[0] else code
    if "{" in code:
        return code.replace("\t", "    ")
    # Several functions may share a comment.
    return "\n".join(re.sub(r"\s+", " ", one.strip()).removeprefix("BERTH_API ") + ";"
                     for one in code.split(";") if one.strip())


def name_of(code):
    if code.startswith("typedef"):
        return re.search(r"\(\*(\w+)\)|(\w+);", code).group(0).strip("(*);")
    if code.startswith("enum {"):
        return re.search(r"\{\s*(\w+)", code).group(1)
    kind = r"^(?:struct|enum|#define) (\w+)" if re.match(r"#|(?:struct|enum) \w+ \{", code) else r"(\w+)\("
    return re.search(kind, code).group(1)


def rows(code):
    """The rows X(identifier, ...) of a table that is a macro, as a list: the name in C, and what the row says."""
    of = re.sub(r"[A-Z]+\(X\).*", "", code.removeprefix("#define "), flags=re.S)
    found = re.findall(r"X\((\w+),\s*((?:[^\"()]|\"[^\"]*\")*)\)", code.replace("\\\n", "")) if "(X)" in code else []
    cells = [(name, re.findall(r"\"([^\"]*)\"|([^\",\s]+)", rest)) for name, rest in found]
    return [".Bl -tag -width 12n"] + [line for name, row in cells for line in (
        ".It Dv " + of + name, quoted("; ".join(a or b for a, b in row)))] + [".El"] if cells else []


def main():
    path = sys.argv[1]
    base = os.path.splitext(os.path.basename(path))[0]
    with open(path, encoding="utf-8") as source:
        text = source.read()
    # What is for tools, and the enums that are made of the tables above them.
    text = re.sub(r"^/\* clang-format \w+ \*/\n|^#define (\w+_ENUM)\b.*?^#undef \1\n", "", text, flags=re.S | re.M)
    head = words(text.split("*/", 2)[1].split("/*")[1])
    items = [(words(m["text"]), m["code"]) for m in ITEM.finditer(text.split("\n#define BERTH_", 1)[1])]
    missing = without_rule(text, items)
    if missing:
        sys.exit("%s: what threads may call these is not said: %s" % (path, " ".join(missing)))
    out = [".\\\" Made of include/berth/%s.h" % base, ".Dd $Mdocdate$", ".Dt BERTH_%s 3" % base.upper(), ".Os",
           ".Sh NAME", ".Nm berth_%s" % base, ".Nd " + head[0].rstrip(".?").split(": ")[-1],
           ".Sh LIBRARY", "libberth (pkg-config: berth)", ".Sh SYNOPSIS", ".In berth/%s.h" % base,
           ".Sh DESCRIPTION", prose(head)]
    for paragraphs, code in items:
        out += [".Ss " + name_of(code), ".Bd -literal", quoted(shape(code)).replace("\n\n", "\n"), ".Ed", ".Pp",
                prose(paragraphs)] + rows(code)
    print("\n".join(line for part in out for line in part.split("\n") if line.strip()))


if __name__ == "__main__":
    main()
