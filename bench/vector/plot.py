"""Curves of recall and time as an SVG, by hand: no library for one picture."""
import math

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 560, 400, 60, 40, 20, 50
RECALLS = [0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999]
COLOURS = ["#0057b7", "#00a37a", "#7a3fbf", "#d1495b", "#edae49", "#8d6a3f", "#555555", "#e36bae"]


def axis(recall):
    recall = min(max(recall, RECALLS[0]), RECALLS[-1])
    return -math.log10(1 - recall)


class Panel:
    def __init__(self, left, title, curves):
        self.left, self.title, self.curves = left, title, curves
        times = [time for points in curves.values() for recall, time in points if recall >= RECALLS[0]]
        self.low, self.high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))

    def x(self, recall):
        share = (axis(recall) - axis(RECALLS[0])) / (axis(RECALLS[-1]) - axis(RECALLS[0]))
        return self.left + LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, time):
        share = (math.log10(time) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def frame(self):
        yield '<text x="%d" y="24" font-size="15">%s</text>' % (self.left + LEFT, self.title)
        for recall in RECALLS:
            x = self.x(recall)
            yield '<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/>' % (x, TOP, x, HEIGHT - BOTTOM)
            yield '<text x="%.1f" y="%d" text-anchor="middle">%g</text>' % (x, HEIGHT - BOTTOM + 16, recall)
        for power in range(self.low, self.high + 1):
            for step in (1, 2, 5):
                if power == self.high and step > 1:
                    continue
                y = self.y(step * 10 ** power)
                yield '<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#%s"/>' % (
                    self.left + LEFT, y, self.left + WIDTH - RIGHT, y, "bbb" if step == 1 else "eee")
                yield '<text x="%d" y="%.1f" text-anchor="end">%d</text>' % (self.left + LEFT - 6, y + 4, step * 10 ** power)
        yield '<text x="%d" y="%d" text-anchor="middle">recall@10</text>' % (self.left + WIDTH // 2, HEIGHT - 12)

    def lines(self, colours):
        for name, points in self.curves.items():
            shown = [(self.x(recall), self.y(time)) for recall, time in sorted(points) if recall >= RECALLS[0]]
            if not shown:
                continue
            wide = 2.5 if name.startswith("ours") else 1.5
            yield '<polyline fill="none" stroke="%s" stroke-width="%.1f" points="%s"/>' % (
                colours[name], wide, " ".join("%.1f,%.1f" % point for point in shown))
            yield from ('<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/>' % (x, y, wide, colours[name]) for x, y in shown)


def write(path, sets):
    """sets: {set: {queries: {name: [(recall, microseconds)]}}}; one panel for each kind of queries."""
    panels, names = [], []
    for set_name, by_queries in sets.items():
        for queries, curves in by_queries.items():
            kept = {name: points for name, points in curves.items() if "auto" not in name and points}
            names += [name for name in kept if name not in names]
            panels.append(Panel(len(panels) * WIDTH, "%s, queries %s the distribution: us per query, one thread" % (
                set_name, "in" if queries == "in" else "out of"), kept))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    rows = HEIGHT + 20 * len(names)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">' % (
        WIDTH * len(panels), rows), '<rect width="100%" height="100%" fill="white"/>']
    for panel in panels:
        out += [*panel.frame(), *panel.lines(colours)]
    for i, name in enumerate(names):
        y = HEIGHT + 20 * i
        out.append('<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="3"/>' % (LEFT, y, LEFT + 30, y, colours[name]))
        out.append('<text x="%d" y="%d">%s</text>' % (LEFT + 40, y + 4, name))
    with open(path, "w", encoding="utf-8") as target:
        target.write("\n".join(out) + "\n</svg>\n")
