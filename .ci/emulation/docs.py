"""The commands of the documentation, as they stand there."""

import re
from pathlib import Path


class Page:
    """A page of Markdown, whose blocks of code are asked for by the heading above them. What was never asked for is told at the end."""

    def __init__(self, path):
        self.blocks = {}
        self.used = set()
        heading, language, lines = None, None, []
        for line in Path(path).read_text().splitlines():
            if language is None and (found := re.match(r"#+ (.*)", line)):
                heading = found[1]
            elif language is None and (found := re.match(r"( *)```(\w+)$", line)):
                indent, language, lines = found[1], found[2], []
            elif language is not None and line.strip() == "```":
                self.blocks.setdefault(heading, []).append((language, "\n".join(lines)))
                language = None
            elif language is not None:
                lines.append(line.removeprefix(indent))

    def block(self, heading, containing=""):
        """The one block below a heading that contains a text."""
        found = [
            (number, text)
            for number, (_, text) in enumerate(self.blocks.get(heading, []))
            if containing in text
        ]
        assert len(found) == 1, f"{len(found)} blocks with {containing!r} under {heading!r}"
        self.used.add((heading, found[0][0]))
        return found[0][1]

    def unused(self, command):
        """The blocks with a command that nobody asked for, by their headings."""
        return [
            (heading, text)
            for heading, blocks in self.blocks.items()
            for number, (language, text) in enumerate(blocks)
            if language == "sh" and re.search(command, text) and (heading, number) not in self.used
        ]
