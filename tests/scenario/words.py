# SPDX-License-Identifier: MIT
"""Lists and definitions, by which a file of conversations says the same of many things.

    list broken = bytes | error
    row <message></body> | not-well-formed
    row <!-- no --> | restricted-xml

    => alice has a session
    alice logs in as phone
    alice enables

    == Whatever is broken ends the session
    for each of broken
    alice has a session
    alice: {bytes}
    alice sees <stream:error><{error} xmlns='{streams}'/></stream:error>

What stands behind `for each of LIST` is done once for each row, up to `after all` or the end.
"""


class Step:
    def __init__(self, line, text):
        self.line = line
        self.text = text


class Words:
    """What one file has of both."""

    def __init__(self):
        self.lists = {}  # name -> rows: {column: text}
        self.columns = []  # of the list that is being read
        self.rows = None
        self.defined = {}  # text of a step -> the steps that it stands for

    def take(self, text):
        """True if the line is a list's."""
        word, _, rest = text.partition(" ")
        if word == "list":
            name, _, columns = rest.partition(" = ")
            self.columns = [column.strip() for column in columns.split(" | ")]
            self.rows = self.lists[name] = []
        elif word == "row" and self.rows is not None:
            cells = [cell.strip() for cell in rest.split(" | ")]
            if len(cells) != len(self.columns):
                raise SyntaxError(f"{len(cells)} columns, not {len(self.columns)}: {text!r}")
            self.rows.append(dict(zip(self.columns, cells)))
        else:
            return False
        return True

    def expanded(self, steps):
        """The steps as they are done, one after another."""
        done = []
        rows, repeated = (), []
        for step in [*steps, Step(0, "after all")]:
            begins = step.text.startswith("for each of ")
            if begins or step.text == "after all":
                for row in rows:
                    done += [filled(one, row) for one in self.plain(repeated)]
                rows, repeated = self.rows_of(step) if begins else (), []
            elif rows:
                repeated.append(step)
            else:
                done += self.plain([step])
        return done

    def rows_of(self, step):
        name = step.text.removeprefix("for each of ")
        if not self.lists.get(name):
            raise SyntaxError(f"line {step.line}: there is no list {name}")
        return self.lists[name]

    def plain(self, steps):
        """Without steps that are defined by others."""
        for step in steps:
            if step.text in self.defined:
                yield from self.plain(self.defined[step.text])
            else:
                yield step


def filled(step, row):
    text = step.text
    for column, cell in row.items():
        text = text.replace("{" + column + "}", cell)
    return Step(step.line, text)
