"""Random graphs of our operators with random rows, compared with onnxruntime.

    python component/inference/tests/operators/random_graphs.py COUNT SEED -- COMMAND…

COMMAND is the example `agreement`, natively or under wasmtime: it gets the graphs as files. The same seed makes the same
graphs. Rows have missing, huge and odd numbers. What is only close to onnxruntime's (a sum in another order, an exponential)
goes on to operators that keep it close, and not to those that make a step of it.
"""
import json
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from generate import HARD_VALUES, ML, NAN, REFUSALS, TYPES, TensorProto, case, constant, node, trees, votes
from generate import graph as graph_of

BATCH = 250
# Rows of each graph for which onnxruntime has no one answer.
SKIPPED = []


@dataclass(frozen=True)
class Tensor:
    name: str
    kind: str
    width: int
    exact: bool


class Graph:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.nodes, self.initializers, self.count = [], [], 0
        kind = self.random.choice(["float32", "float32", "float32", "float64", "int64"])
        self.kind, self.width = kind, self.random.randint(1, 9)
        self.tensors = [Tensor("X", kind, self.width, True)]
        for _ in range(self.random.randint(2, 9)):
            self.step()
        self.finish()

    def name(self):
        self.count += 1
        return f"t{self.count}"

    def constant(self, values, kind):
        name = self.name()
        self.initializers.append(constant(name, values, kind))
        return name

    def value(self, kind):
        if self.random.random() < 0.4:
            return self.random.choice(HARD_VALUES[kind])
        return self.random.randint(-9, 9) if "int" in kind else round(self.random.uniform(-4, 4), 2)

    def add(self, op, inputs, kind, width, exact, domain="", outputs=None, **attributes):
        name = self.name()
        self.nodes.append(node(op, inputs, [*(outputs or []), name], domain, **attributes))
        self.tensors.append(Tensor(name, kind, width, exact))

    def pick(self, kinds, exact=False):
        """A tensor of one of these types, the later ones more often."""
        fitting = [t for t in self.tensors if t.kind in kinds and (t.exact or not exact)]
        return self.random.choice(fitting[-4:]) if fitting else None

    def step(self):
        kinds = {
            self.unary: 4, self.binary: 5, self.clip: 2, self.compare: 2, self.where: 2, self.cast: 3, self.reduce: 2, self.arg: 1,
            self.softmax: 1, self.gather: 2, self.concat: 2, self.slice: 1, self.one_hot: 2, self.label: 1, self.imputer: 2, self.scaler: 2,
            self.normalizer: 1, self.linear: 2, self.tree: 3, self.product: 2, self.logic: 1, self.nan: 1, self.function: 2, self.place: 3, self.machine: 1,
        }
        self.random.choices(list(kinds), list(kinds.values()))[0]()

    def unary(self):
        t = self.pick(("float32", "float64"))
        if not t:
            return
        steps = ["Exp", "Log", "Sqrt", "Reciprocal"] if t.exact else []
        close = ["Sigmoid", "Tanh", "Softplus", "Erf", "Elu"]
        op = self.random.choice(["Abs", "Neg", "Relu", "Identity", "LeakyRelu", *steps, *close])
        if t.kind == "float64" and op in ("Softplus", "Erf", "Elu"):
            return
        exact = t.exact and op in ("Abs", "Neg", "Relu", "Identity", "Reciprocal", "Sqrt") or t.exact and op == "LeakyRelu"
        self.add(op, [t.name], t.kind, t.width, exact)

    def binary(self):
        t = self.pick(("float32", "float64", "int64"))
        if not t:
            return
        others = [o for o in self.tensors if o.kind == t.kind and (o.width == t.width or o.width == 1) and (o.exact == t.exact)]
        op = self.random.choice(["Add", "Sub", "Mul", "Max", "Min", "Div"] if t.exact else ["Max", "Min"])
        if t.kind == "int64" and op in ("Max", "Min", "Div"):
            op = "Add"
        if others and self.random.random() < 0.5:
            other = self.random.choice(others).name
        else:
            other = self.constant([self.value(t.kind) for _ in range(self.random.choice([1, t.width]))], t.kind)
        # Which of two zeros is the larger one depends on where they stand.
        exact = t.exact and op not in ("Max", "Min") or t.exact and t.kind == "int64"
        self.add(op, [t.name, other] if self.random.random() < 0.7 or op == "Div" else [other, t.name], t.kind, t.width, exact or t.exact)

    def clip(self):
        t = self.pick(("float32", "float64"))
        if t:
            low, high = sorted(round(self.random.uniform(-3, 3), 2) for _ in range(2))
            bounds = [self.constant(low, t.kind) if self.random.random() < 0.8 else "", self.constant(high, t.kind) if self.random.random() < 0.8 else ""]
            self.add("Clip", [t.name, *bounds], t.kind, t.width, t.exact)

    def compare(self):
        t = self.pick(("float32", "float64", "int64"), exact=True)
        if t:
            op = self.random.choice(["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"])
            self.add(op, [t.name, self.constant([self.value(t.kind) for _ in range(t.width)], t.kind)], "bool", t.width, True)

    def nan(self):
        t = self.pick(("float32", "float64"))
        if t:
            self.add("IsNaN", [t.name], "bool", t.width, True)

    def logic(self):
        t = self.pick(("bool",))
        others = [o for o in self.tensors if o.kind == "bool" and t and o.width == t.width]
        if t:
            if self.random.random() < 0.3:
                self.add("Not", [t.name], "bool", t.width, True)
            else:
                self.add(self.random.choice(["And", "Or"]), [t.name, self.random.choice(others).name], "bool", t.width, True)

    def where(self):
        condition = self.pick(("bool",))
        t = self.pick(("float32", "float64", "int64"))
        if condition and t and (condition.width == t.width or 1 in (condition.width, t.width)):
            other = self.constant([self.value(t.kind) for _ in range(self.random.choice([1, t.width]))], t.kind)
            self.add("Where", [condition.name, *self.random.sample([t.name, other], 2)], t.kind, max(t.width, condition.width), t.exact)

    def cast(self):
        t = self.pick(("float32", "float64", "int64", "bool", "int32"), exact=True)
        if t:
            # onnxruntime joins two casts to one, which is another thing for an int64 beyond int32.
            narrow = [] if self.kind == "int64" else ["int32"]
            to = self.random.choice([kind for kind in ("float32", "float64", "int64", "bool", *narrow) if kind != t.kind])
            self.add("Cast", [t.name], to, t.width, True, to=TYPES[to][0])

    def reduce(self):
        t = self.pick(("float32", "float64"))
        if t:
            op = self.random.choice(["ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL2", "ReduceProd"])
            if t.exact and t.width <= 2:
                inputs, attributes = ([t.name, self.constant([1], "int64")], {}) if op == "ReduceSum" else ([t.name], {"axes": [1]})
                self.add(op, inputs, t.kind, 1, False, **attributes)

    def arg(self):
        t = self.pick(("float32", "float64", "int64"), exact=True)
        if t:
            self.add(self.random.choice(["ArgMax", "ArgMin"]), [t.name], "int64", 1, True, axis=self.random.choice([1, -1]),
                     select_last_index=self.random.randint(0, 1))

    def softmax(self):
        t = self.pick(("float32", "float64"), exact=True)
        if t:
            self.add("Softmax", [t.name], t.kind, t.width, False, axis=1)

    def gather(self):
        t = self.pick(("float32", "float64", "int64", "bool", "int32"))
        if t:
            columns = [self.random.randrange(-t.width, t.width) for _ in range(self.random.randint(1, 4))]
            self.add("Gather", [t.name, self.constant(columns, "int64")], t.kind, len(columns), t.exact, axis=1)

    def concat(self):
        t = self.pick(("float32", "float64", "int64"))
        if t:
            others = [o for o in self.tensors if o.kind == t.kind]
            chosen = [self.random.choice(others) for _ in range(self.random.randint(1, 3))]
            self.add("Concat", [o.name for o in chosen], t.kind, sum(o.width for o in chosen), all(o.exact for o in chosen), axis=1)

    def slice(self):
        t = self.pick(("float32", "float64", "int64"))
        if t and t.width > 1:
            start = self.random.randrange(t.width - 1)
            end = self.random.randint(start + 1, t.width)
            bounds = [self.constant([v], "int64") for v in (start, end, -1)]
            self.add("Slice", [t.name, *bounds], t.kind, end - start, t.exact)

    def one_hot(self):
        t = self.pick(("float32", "float64", "int64"), exact=True)
        if t:
            categories = self.random.sample(range(-3, 8), self.random.randint(1, 4))
            hot = self.name()
            self.nodes.append(node("OneHotEncoder", [t.name], [hot], ML, cats_int64s=categories, zeros=1))
            self.add("Flatten", [hot], "float32", t.width * len(categories), True, axis=1)

    def label(self):
        t = self.pick(("float32", "int64"), exact=True)
        if t and t.kind == "float32":
            keys = self.random.sample([0.0, 1.0, NAN, 0.5, -1.0], 3)
            self.add("LabelEncoder", [t.name], "float32", t.width, True, ML, keys_floats=keys, values_floats=[1.0, 2.0, NAN], default_float=-1.0)
        elif t:
            self.add("LabelEncoder", [t.name], "float32", t.width, True, ML, keys_int64s=[0, 1, 5], values_floats=[1.0, 2.0, 3.0], default_float=NAN)

    def imputer(self):
        t = self.pick(("float32",), exact=True)
        if t:
            values = [self.value("float32") for _ in range(self.random.choice([1, t.width]))]
            self.add("Imputer", [t.name], "float32", t.width, True, ML, imputed_value_floats=values,
                     replaced_value_float=self.random.choice([NAN, 0.0, 1.0]))

    def scaler(self):
        t = self.pick(("float32", "float64", "int64"), exact=True)
        if t:
            self.add("Scaler", [t.name], "float32", t.width, False, ML, offset=[round(self.random.uniform(-2, 2), 2) for _ in range(t.width)],
                     scale=[round(self.random.uniform(-2, 2), 2) for _ in range(t.width)])

    def normalizer(self):
        t = self.pick(("float32", "float64", "int64"), exact=True)
        if t:
            self.add("Normalizer", [t.name], "float32", t.width, False, ML, norm=self.random.choice(["MAX", "L1", "L2"]))

    def bounded(self, t):
        """A tensor whose products do not overflow: in which order they are added up then makes no difference."""
        name = self.name()
        self.nodes.append(node("Clip", [t.name, self.constant(-1e6, t.kind), self.constant(1e6, t.kind)], [name]))
        return name

    def linear(self):
        t = self.pick(("float32",), exact=True)
        if t and t.width <= 2:
            classes = self.random.choice([1, 2, 3])
            weights = [round(self.random.uniform(-2, 2), 2) for _ in range(classes * t.width)]
            self.add("LinearClassifier", [self.bounded(t)], "float32", max(classes, 2), False, ML, outputs=[self.name()], coefficients=weights,
                     intercepts=[0.5, -0.25, 0.0][:classes], classlabels_ints=list(range(max(classes, 2))),
                     post_transform=self.random.choice(["NONE", "LOGISTIC", "SOFTMAX"]))

    def tree(self):
        t = self.pick(("float32", "float64", "int64"), exact=True)
        if not t or t.width < 3:
            return
        modes = self.random.choice([("BRANCH_LEQ",), ("BRANCH_LT", "BRANCH_GT"), ("BRANCH_EQ", "BRANCH_NEQ", "BRANCH_GTE")])
        attributes, leaves = trees(modes, trees=self.random.randint(1, 5), missing=self.random.randint(0, 1), seed=self.random.randrange(10**6))
        if self.random.random() < 0.5:
            targets = self.random.choice([1, 2])
            self.add("TreeEnsembleRegressor", [t.name], "float32", targets, False, ML, n_targets=targets, **attributes,
                     **votes("target", leaves, range(targets), seed=self.random.randrange(10**6)))
        else:
            self.add("TreeEnsembleClassifier", [t.name], "float32", 3, False, ML, outputs=[self.name()], classlabels_int64s=[0, 1, 2],
                     post_transform=self.random.choice(["NONE", "SOFTMAX", "LOGISTIC"]), **attributes,
                     **votes("class", leaves, range(3), seed=self.random.randrange(10**6)))

    def product(self):
        t = self.pick(("float32", "float64"), exact=True)
        if t:
            columns = self.random.randint(1, 4)
            # Of whole numbers, so that the order of the sum makes no difference to what is not huge.
            weights = [[float(self.random.randint(-3, 3)) for _ in range(columns)] for _ in range(t.width)]
            if t.width <= 2:
                self.add("MatMul", [self.bounded(t), self.constant(weights, t.kind)], t.kind, columns, False)

    def function(self):
        t = self.pick(("float32",))
        if t:
            steps = ["Ceil", "Floor", "Round", "Sign", "ThresholdedRelu", "Shrink"] if t.exact else []
            op = self.random.choice(["HardSigmoid", "Softsign", "Selu", "Celu", "Sin", "Atan", *steps])
            if op in ("Sin", "Selu"):
                # What is huge overflows, or turns many times.
                self.add(op, [self.bounded(t)], t.kind, t.width, False)
            else:
                self.add(op, [t.name], t.kind, t.width, op in steps)

    def place(self):
        t = self.pick(("float32", "float64", "int64"))
        if not t:
            return
        op = self.random.choice(["Tile", "Pad", "GatherElements", "Slice", "CumSum"])
        if op == "Tile":
            times = self.random.randint(1, 3)
            self.add(op, [t.name, self.constant([1, times], "int64")], t.kind, t.width * times, t.exact)
        elif op == "Pad":
            before, after = self.random.randint(0, t.width - 1), self.random.randint(0, t.width - 1)
            self.add(op, [t.name, self.constant([0, before, 0, after], "int64")], t.kind, t.width + before + after, t.exact,
                     mode=self.random.choice(["constant", "reflect", "edge"]))
        elif op == "GatherElements":
            columns = [self.random.randrange(-t.width, t.width) for _ in range(self.random.randint(1, 4))]
            self.add(op, [t.name, self.constant([columns], "int64")], t.kind, len(columns), t.exact, axis=1)
        elif op == "Slice":
            bounds = [self.constant([v], "int64") for v in (-1, -t.width - 1, 1, -2)]
            self.add(op, [t.name, *bounds], t.kind, (t.width + 1) // 2, t.exact)
        elif t.kind == "int64":
            self.add(op, [t.name, self.constant(1, "int64")], t.kind, t.width, t.exact, reverse=self.random.randint(0, 1))

    def machine(self):
        t = self.pick(("float32",), exact=True)
        if t and t.width <= 3:
            numbers = [round(self.random.uniform(-2, 2), 2) for _ in range(5 * t.width + 5)]
            classes = self.random.choice([2, 3])
            weights = [round(self.random.uniform(-1, 1), 2) for _ in range(5 * (classes - 1))]
            pairs = classes * (classes - 1) // 2
            self.add("SVMClassifier", [self.bounded(t)], "float32", max(pairs, 2), False, ML, outputs=[self.name()], kernel_type="RBF", kernel_params=[0.4, 0.0, 3.0],
                     support_vectors=numbers[: 5 * t.width], vectors_per_class=[2, 3] if classes == 2 else [2, 2, 1], coefficients=weights,
                     rho=numbers[-pairs:], classlabels_ints=list(range(classes)), post_transform=self.random.choice(["NONE", "LOGISTIC"]))

    def finish(self):
        """All floats side by side, and what is another type as float32."""
        last = self.tensors[-8:]
        names = []
        for t in last:
            if t.kind == "float32":
                names.append(t.name)
            else:
                name = self.name()
                self.nodes.append(node("Cast", [t.name], [name], to=TensorProto.FLOAT))
                names.append(name)
        self.nodes.append(node("Concat", names, ["Y"], axis=1))

    def rows(self):
        return [[self.value(self.kind) for _ in range(self.width)] for _ in range(8)]


def same_either_way(graph, rows):
    """Rows for which onnxruntime gives the same with its optimiser and without; for others it has no one answer."""
    sessions = [graph_of("both", graph.nodes, graph.width, graph.kind, graph.initializers, optimized=optimized)[1] for optimized in (True, False)]
    kept = []
    for row in rows:
        x = {"X": np.array([row], dtype=TYPES[graph.kind][1])}
        with np.errstate(all="ignore"):
            a, b = (session.run(["Y"], x)[0] for session in sessions)
            if np.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True):
                kept.append(row)
    return kept


def cases(count, seed):
    made, number = 0, 0
    while made < count:
        graph = Graph(f"{seed}-{number}")
        number += 1
        rows = graph.rows()
        # NaN written out: what the check of optional features makes of it is not the question here.
        rows = [[v if not isinstance(v, float) or v == v else NAN for v in row] for row in rows]
        try:
            kept = same_either_way(graph, rows)
            SKIPPED.append(len(rows) - len(kept))
            if not kept:
                continue
            found = case(f"random_{seed}_{number}", graph.nodes, kept, graph.kind, initializers=graph.initializers, missing=False)
        except REFUSALS as refusal:
            if "NOT_IMPLEMENTED" not in str(refusal):
                raise
            continue
        if any(answer is not None for answer in found["outputs"]):
            made += 1
            yield found


def main():
    split = sys.argv.index("--")
    count, seed = (int(argument) for argument in sys.argv[1:split])
    command = sys.argv[split + 1:]
    batch, done, failed = [], 0, 0

    def check():
        nonlocal batch, done, failed
        with tempfile.TemporaryDirectory(dir=".") as folder:
            path = Path(folder) / "graphs.json"
            path.write_text(json.dumps(batch), "utf-8")
            run = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        if run.returncode:
            failed += 1
            print(run.stdout[:4000], run.stderr[:2000])
        done += len(batch)
        batch = []

    for found in cases(count, seed):
        batch.append(found)
        if len(batch) == BATCH:
            check()
    if batch:
        check()
    print(f"{done} random graphs of seed {seed}, {failed} batches with faults; "
          f"{sum(SKIPPED)} rows were left out, for onnxruntime answers them in two ways")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
