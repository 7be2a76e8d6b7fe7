//! ONNX files made here, where a test needs one of a certain size.

/// A model that looks an integer `x` up in a table of so many zeros, and gives `y`.
pub(crate) fn table(numbers: usize) -> Vec<u8> {
    let zeros = [
        number(1, numbers as u64),
        number(2, 1),
        text(8, "table"),
        bytes(9, &vec![0; 4 * numbers]),
    ];
    let node = [text(1, "table"), text(1, "x"), text(2, "y"), text(4, "Gather")];
    let graph = [
        bytes(1, &node.concat()),
        text(2, "graph"),
        bytes(5, &zeros.concat()),
        bytes(11, &column("x", 7)),
        bytes(12, &column("y", 1)),
    ];
    let operators = number(2, 17);
    [number(1, 8), bytes(7, &graph.concat()), bytes(8, &operators)].concat()
}

/// The manifest of such a model.
pub(crate) const TABLE_MANIFEST: &str = r#"
[model]
name = "table"
file = "model.onnx"

[cache]
ttl_seconds = 60

[[feature]]
name = "x"
type = "integer"
minimum = 0
maximum = 1000
example = 1

[[output]]
name = "y"
tensor = "y"
column = 0

[[endpoint]]
path = "/numbers"
field = "number"
output = "y"
"#;

/// A folder with [`slow`] and the manifest.
pub(crate) fn slow_model(steps: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.onnx"), slow(steps)).unwrap();
    std::fs::write(folder.path().join("manifest.toml"), TABLE_MANIFEST).unwrap();
    folder
}

/// A model of the same manifest that gives 0 after so many functions of a long row.
pub(crate) fn slow(steps: usize) -> Vec<u8> {
    const WIDTH: u64 = 1 << 16;
    let zeros = |name: &str, rows: u64, columns: u64| {
        let data = vec![0; (4 * rows * columns) as usize];
        let shape = [number(1, rows), number(1, columns)].concat();
        bytes(5, &[shape, number(2, 1), text(8, name), bytes(9, &data)].concat())
    };
    let node = |operator: &str, inputs: &[&str], output: &str, attributes: &[u8]| {
        let inputs: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
        let name = [text(3, output), text(2, output), text(4, operator)].concat();
        bytes(1, &[inputs, name, attributes.to_vec()].concat())
    };
    let to_float = bytes(5, &[text(1, "to"), number(3, 1), number(20, 2)].concat());
    let mut nodes = node("Cast", &["x"], "float", &to_float);
    nodes.extend(node("MatMul", &["float", "first"], "h0", &[]));
    for step in 0..steps {
        let (from, to) = (format!("h{step}"), format!("h{}", step + 1));
        nodes.extend(node("Sigmoid", &[&from], &to, &[]));
    }
    nodes.extend(node("MatMul", &[&format!("h{steps}"), "last"], "y", &[]));
    let graph = [
        nodes,
        text(2, "graph"),
        zeros("first", 1, WIDTH),
        zeros("last", WIDTH, 1),
        bytes(11, &column("x", 7)),
        bytes(12, &column("y", 1)),
    ];
    let operators = number(2, 17);
    [number(1, 8), bytes(7, &graph.concat()), bytes(8, &operators)].concat()
}

/// A model of the same manifest with so many equal trees, each of which gives the position of `x`
/// among 2^depth parts of the numbers below 1024; `y` is their sum, for so many targets.
pub(crate) fn forest(trees: u64, depth: u32, targets: u64) -> Vec<u8> {
    let ints = |name: &str, values: &mut dyn Iterator<Item = u64>| {
        let values: Vec<u8> = values.flat_map(|value| number(8, value)).collect();
        bytes(5, &[text(1, name), values, number(20, 7)].concat())
    };
    let floats = |name: &str, values: &mut dyn Iterator<Item = f32>| {
        let value = |value: f32| [varint(7 << 3 | 5), value.to_le_bytes().to_vec()].concat();
        let values: Vec<u8> = values.flat_map(value).collect();
        bytes(5, &[text(1, name), values, number(20, 6)].concat())
    };
    // Children of the node at i are at 2 i + 1 and 2 i + 2; the last row of a tree is its leaves.
    let (inner, all) = ((1 << depth) - 1, (1 << (depth + 1)) - 1);
    let nodes = || (0..trees).flat_map(move |tree| (0..all).map(move |node| (tree, node)));
    let votes = || {
        let leaves = nodes().filter(move |&(_, node)| node >= inner);
        leaves.flat_map(move |(tree, node)| (0..targets).map(move |target| (tree, node, target)))
    };
    let mode = |node: u64| text(9, if node < inner { "BRANCH_LEQ" } else { "LEAF" });
    let modes: Vec<u8> = nodes().flat_map(|(_, node)| mode(node)).collect();
    let threshold = |node: u64| {
        let level = (node + 1).ilog2();
        let part = 1024.0 / (1_u64 << level) as f32;
        // Above it and below the next integer.
        ((node + 1 - (1 << level)) as f32 + 0.5) * part - 0.5
    };
    let child = |node: u64, side: u64| if node < inner { 2 * node + side } else { 0 };
    let node = [
        text(1, "x"),
        text(2, "y"),
        text(4, "TreeEnsembleRegressor"),
        text(7, "ai.onnx.ml"),
        ints("nodes_treeids", &mut nodes().map(|(tree, _)| tree)),
        ints("nodes_nodeids", &mut nodes().map(|(_, node)| node)),
        ints("nodes_featureids", &mut nodes().map(|_| 0)),
        ints("nodes_truenodeids", &mut nodes().map(|(_, node)| child(node, 1))),
        ints("nodes_falsenodeids", &mut nodes().map(|(_, node)| child(node, 2))),
        floats("nodes_values", &mut nodes().map(|(_, node)| threshold(node))),
        bytes(5, &[text(1, "nodes_modes"), modes, number(20, 8)].concat()),
        bytes(5, &[text(1, "n_targets"), number(3, targets), number(20, 2)].concat()),
        ints("target_treeids", &mut votes().map(|(tree, ..)| tree)),
        ints("target_nodeids", &mut votes().map(|(_, node, _)| node)),
        ints("target_ids", &mut votes().map(|(.., target)| target)),
        floats("target_weights", &mut votes().map(|(_, node, _)| (node - inner) as f32)),
    ];
    let graph = [
        bytes(1, &node.concat()),
        text(2, "graph"),
        bytes(11, &column("x", 7)),
        bytes(12, &columns("y", 1, targets)),
    ];
    let operators = [text(1, "ai.onnx.ml"), number(2, 3)].concat();
    [number(1, 8), bytes(7, &graph.concat()), bytes(8, &operators)].concat()
}

/// A model whose input `x` has as many columns as a matrix of zeros has rows, and does not say so; it
/// gives `y`.
pub(crate) fn open_width(columns: usize) -> Vec<u8> {
    let zeros = [
        number(1, columns as u64),
        number(1, 1),
        number(2, 1),
        text(8, "weights"),
        bytes(9, &vec![0; 4 * columns]),
    ];
    let node = [text(1, "x"), text(1, "weights"), text(2, "y"), text(4, "MatMul")];
    let dimension = |name: &str| bytes(1, &text(2, name));
    let shape = [dimension("N"), dimension("C")].concat();
    let tensor = [number(1, 1), bytes(2, &shape)].concat();
    let graph = [
        bytes(1, &node.concat()),
        text(2, "graph"),
        bytes(5, &zeros.concat()),
        bytes(11, &[text(1, "x"), bytes(2, &bytes(1, &tensor))].concat()),
        bytes(12, &column("y", 1)),
    ];
    let operators = number(2, 17);
    [number(1, 8), bytes(7, &graph.concat()), bytes(8, &operators)].concat()
}

/// A model of two wide inputs, `numbers` and `codes`: the numbers times 1, 10 and 100, and a table of
/// 0, 1000, … at the two positions below 5 that are the codes, the second one ten times.
pub(crate) fn numbers_and_codes() -> Vec<u8> {
    let node = |operator: &str, inputs: [&str; 2], output: &str| {
        let names = [text(1, inputs[0]), text(1, inputs[1]), text(2, output), text(4, operator)];
        bytes(1, &names.concat())
    };
    let graph = [
        node("MatMul", ["numbers", "weights"], "a"),
        node("Gather", ["table", "codes"], "found"),
        node("MatMul", ["found", "tens"], "b"),
        node("Add", ["a", "b"], "y"),
        text(2, "graph"),
        floats("weights", &[3, 1], &[1.0, 10.0, 100.0]),
        floats("table", &[5], &[0.0, 1000.0, 2000.0, 3000.0, 4000.0]),
        floats("tens", &[2, 1], &[1.0, 10.0]),
        bytes(11, &columns("numbers", 1, 3)),
        bytes(11, &columns("codes", 7, 2)),
        bytes(12, &column("y", 1)),
    ];
    [number(1, 8), bytes(7, &graph.concat()), bytes(8, &number(2, 17))].concat()
}

/// A model that gives the logarithm of a number, which is none for zero and below.
pub(crate) fn logarithm() -> Vec<u8> {
    let node = [text(1, "x"), text(2, "y"), text(4, "Log")];
    let graph = [
        bytes(1, &node.concat()),
        text(2, "graph"),
        bytes(11, &column("x", 1)),
        bytes(12, &column("y", 1)),
    ];
    [number(1, 8), bytes(7, &graph.concat()), bytes(8, &number(2, 17))].concat()
}

/// A model that gives a number without its fraction, as an integer.
pub(crate) fn whole_part() -> Vec<u8> {
    let to_integer = bytes(5, &[text(1, "to"), number(3, 7), number(20, 2)].concat());
    let node = [text(1, "x"), text(2, "label"), text(4, "Cast"), to_integer];
    let graph = [
        bytes(1, &node.concat()),
        text(2, "graph"),
        bytes(11, &column("x", 1)),
        bytes(12, &column("label", 7)),
    ];
    [number(1, 8), bytes(7, &graph.concat()), bytes(8, &number(2, 17))].concat()
}

/// An initializer.
fn floats(name: &str, shape: &[u64], values: &[f32]) -> Vec<u8> {
    let shape: Vec<u8> = shape.iter().flat_map(|size| number(1, *size)).collect();
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    bytes(5, &[shape, number(2, 1), text(8, name), bytes(9, &data)].concat())
}

/// A tensor of one column: 1 is the type float, 7 int64.
fn column(name: &str, element: u64) -> Vec<u8> {
    columns(name, element, 1)
}

fn columns(name: &str, element: u64, width: u64) -> Vec<u8> {
    let shape = [bytes(1, &text(2, "N")), bytes(1, &number(1, width))].concat();
    let tensor = [number(1, element), bytes(2, &shape)].concat();
    [text(1, name), bytes(2, &bytes(1, &tensor))].concat()
}

fn text(field: u64, text: &str) -> Vec<u8> {
    bytes(field, text.as_bytes())
}

fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
