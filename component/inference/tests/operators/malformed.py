"""Graphs that must be refused, with a part of the message that says why; and graphs that fit some manifests only.

    python component/inference/tests/operators/malformed.py           writes malformed.json and widths.json beside this file
    python component/inference/tests/operators/malformed.py --check   fails when one of them is stale
"""
import argparse
import json
import sys
from pathlib import Path

from onnx import TensorProto, helper

from generate import LOCAL, ML, branch, call, constant, function, node, refers, trees, votes

HERE = Path(__file__).resolve().parent


def graph(nodes, initializers=(), outputs=("Y",), inputs=("X",), width=3, opset=17, ml=3, functions=()):
    sources = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width]) for name in inputs]
    targets = [helper.make_empty_tensor_value_info(name) for name in outputs]
    made = helper.make_graph(nodes, "malformed", sources, targets, list(initializers))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, ml)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8, functions=functions).SerializeToString(deterministic=True)


def forest(change, op="TreeEnsembleRegressor"):
    """A good forest, changed."""
    attributes, leaves = trees()
    prefix = "target" if op == "TreeEnsembleRegressor" else "class"
    attributes |= votes(prefix, leaves, [0])
    attributes |= {"n_targets": 1} if prefix == "target" else {"classlabels_int64s": [0, 1]}
    change(attributes)
    outputs = ["Y"] if prefix == "target" else ["label", "Y"]
    return graph([node(op, ["X"], outputs, ML, **{key: value for key, value in attributes.items() if value is not None})])


def set_at(key, position, value):
    def change(attributes):
        attributes[key] = list(attributes[key])
        attributes[key][position] = value
    return change


def shorter(key):
    def change(attributes):
        attributes[key] = attributes[key][:-1]
    return change


def cases():
    for key in ["nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values", "nodes_truenodeids", "nodes_falsenodeids"]:
        yield f"short_{key}", forest(shorter(key)), "expected equal lengths"
    for key in ["target_treeids", "target_nodeids", "target_ids", "target_weights"]:
        yield f"short_{key}", forest(shorter(key)), "expected equal lengths"
    yield "missing_list_of_another_length", forest(lambda a: a.update(nodes_missing_value_tracks_true=[1])), "expected equal lengths"
    yield "no_nodes", forest(lambda a: a.update({key: None for key in a if key.startswith("nodes_")})), "lists of 0 node ids"
    yield "tree_with_a_circle", forest(set_at("nodes_truenodeids", 1, 0)), "go round in a circle"
    yield "node_that_is_its_own_child", forest(set_at("nodes_falsenodeids", 1, 1)), "go round in a circle"
    yield "child_that_is_not_there", forest(set_at("nodes_truenodeids", 0, 99)), "goes on to node 99, which its tree does not have"
    yield "child_that_is_negative", forest(set_at("nodes_truenodeids", 0, -1)), "goes on to node -1"
    yield "child_out_of_range", forest(set_at("nodes_truenodeids", 0, 2**63 - 1)), "which its tree does not have"
    yield "node_twice", forest(set_at("nodes_nodeids", 1, 0)), "two nodes 0 in tree 0"
    yield "tree_in_two_parts", forest(lambda a: (set_at("nodes_treeids", 7, 2)(a), set_at("nodes_nodeids", 7, 50)(a))), "not next to each other"
    yield "feature_out_of_range", forest(set_at("nodes_featureids", 0, 3)), "tests feature 3 of 3"
    yield "feature_negative", forest(set_at("nodes_featureids", 0, -1)), "tests feature -1 of 3"
    yield "unknown_mode", forest(set_at("nodes_modes", 0, "BRANCH_MEMBER")), "of mode 'BRANCH_MEMBER'"
    yield "vote_of_no_node", forest(set_at("target_nodeids", 0, 50)), "a vote of node 50 of tree 0"
    yield "vote_for_no_target", forest(set_at("target_ids", 0, 1)), "a vote for target 1 of 1"
    yield "vote_for_a_negative_class", forest(set_at("class_ids", 0, -1), "TreeEnsembleClassifier"), "a vote for class -1 of 2"
    yield "no_targets", forest(lambda a: a.update(n_targets=0)), "n_targets"
    yield "too_many_targets", forest(lambda a: a.update(n_targets=2**40)), "n_targets"
    yield "unknown_aggregate", forest(lambda a: a.update(aggregate_function="MEDIAN")), "'MEDIAN'"
    yield "unknown_transform", forest(lambda a: a.update(post_transform="CUBE")), "'CUBE'"
    yield "one_class", forest(lambda a: a.update(classlabels_int64s=[0]), "TreeEnsembleClassifier"), "at least two labels"
    yield "too_many_base_values", forest(lambda a: a.update(base_values=[0.1] * 3), "TreeEnsembleClassifier"), "3 base values"
    yield "attribute_of_another_kind", forest(lambda a: a.update(nodes_nodeids=[0.5] * 21)), "the attribute 'nodes_nodeids' is of kind"

    yield "linear_of_another_length", graph([node("LinearRegressor", ["X"], ["Y"], ML, coefficients=[1.0, 2.0], targets=1)]), "2 coefficients"
    yield "linear_with_huge_targets", graph([node("LinearRegressor", ["X"], ["Y"], ML, coefficients=[1.0], targets=2**62)]), "1 coefficients"
    yield "linear_without_labels", graph([node("LinearClassifier", ["X"], ["l", "Y"], ML, coefficients=[1.0] * 9, intercepts=[0.0] * 3)]), "0 labels"
    yield "scaler_of_another_length", graph([node("Scaler", ["X"], ["Y"], ML, offset=[1.0, 2.0], scale=[1.0, 2.0])]), "expected 3 of each"
    yield "one_hot_without_categories", graph([node("OneHotEncoder", ["X"], ["Y"], ML)]), "0 categories"
    yield "imputer_without_values", graph([node("Imputer", ["X"], ["Y"], ML, replaced_value_float=0.0)]), "no values to put in"
    yield "normalizer_of_no_norm", graph([node("Normalizer", ["X"], ["Y"], ML, norm="L3")]), "'L3'"
    yield "label_encoder_of_another_type", graph([node("LabelEncoder", ["X"], ["Y"], ML, keys_strings=["a"], values_floats=[1.0])]), "its keys are String"
    yield "label_encoder_of_another_length", graph([node("LabelEncoder", ["X"], ["Y"], ML, keys_floats=[1.0])]), "1 keys for 0 values"
    yield "feature_vectorizer_negative", graph([node("FeatureVectorizer", ["X"], ["Y"], ML, inputdimensions=[-1])]), "a dimension of -1"
    yield "feature_vectorizer_of_another_width", graph([node("FeatureVectorizer", ["X"], ["Y"], ML, inputdimensions=[2**62])]), "it declares 4611686018427387904"

    yield "zip_map", graph([node("ZipMap", ["X"], ["Y"], ML, classlabels_int64s=[0, 1])]), "2 that are integers for an input of 3 columns"
    yield "unsupported_operator", graph([node("Conv", ["X", "X"], ["Y"])]), "the supported ones are Abs, Acos"
    yield "operator_of_another_domain", graph([node("Add", ["X", "X"], ["Y"], "com.example")]), "com.example.Add"
    yield "operator_without_inputs", graph([node("Concat", [], ["Y"], axis=0)]), "no inputs"
    yield "operator_with_an_input_missing", graph([node("Add", ["X"], ["Y"])]), "input 1 is missing"
    yield "operator_with_an_input_left_out", graph([node("Scaler", [""], ["Y"], ML, offset=[0.0], scale=[1.0])]), "input 0 is missing"
    yield "operator_with_too_many_outputs", graph([node("Abs", ["X"], ["Y", "Z"])]), "2 outputs, expected at most 1"
    yield "tensor_that_nothing_gives", graph([node("Abs", ["Z"], ["Y"])]), "it reads 'Z', which no input or earlier node gives"
    yield "nodes_in_a_circle", graph([node("Abs", ["B"], ["Y"]), node("Abs", ["Y"], ["B"])]), "which no input or earlier node gives"
    yield "tensor_given_twice", graph([node("Abs", ["X"], ["Y"]), node("Neg", ["X"], ["Y"])]), "two nodes give the tensor 'Y'"
    yield "input_given_again", graph([node("Abs", ["X"], ["X"])], outputs=["X"]), "which is there already"
    yield "output_that_nothing_gives", graph([node("Abs", ["X"], ["Z"])]), "nothing in it gives the output 'Y'"

    yield "reshape_of_another_size", graph([node("Reshape", ["X", "S"], ["Y"])], [constant("S", [2, 2], "int64")]), "to be reshaped to [2, 2]"
    yield "reshape_negative", graph([node("Reshape", ["X", "S"], ["Y"])], [constant("S", [-2, 3], "int64")]), "to be reshaped"
    yield "reshape_huge", graph([node("Reshape", ["X", "S"], ["Y"])], [constant("S", [2**62, 2**62], "int64")]), "expected at most"
    yield "reshape_by_the_request", graph([node("Cast", ["X"], ["I"], to=7), node("Reshape", ["X", "I"], ["Y"])]), "depends on the request"
    for op in ("Concat", "ArgMax", "Softmax", "LpNormalization", "Flatten"):
        for axis in (5, -7, 2**63 - 1, -(2**63)):
            yield f"{op}_axis_{axis}".lower(), graph([node(op, ["X"], ["Y"], axis=axis)]), f"axis {axis}"
    yield "reduce_axis", graph([node("ReduceMean", ["X"], ["Y"], axes=[9])]), "axis 9"
    yield "reduce_axis_twice", graph([node("ReduceMean", ["X"], ["Y"], axes=[1, -1])]), "no axis twice"
    yield "squeeze_axis", graph([node("Squeeze", ["X", "A"], ["Y"])], [constant("A", [4], "int64")]), "axis 4"
    yield "squeeze_of_size_three", graph([node("Squeeze", ["X", "A"], ["Y"])], [constant("A", [1], "int64")]), "expected size 1"
    yield "unsqueeze_axis_twice", graph([node("Unsqueeze", ["X", "A"], ["Y"])], [constant("A", [0, 0], "int64")]), "no axis twice"
    yield "unsqueeze_axis", graph([node("Unsqueeze", ["X", "A"], ["Y"])], [constant("A", [9], "int64")]), "axis 9"
    yield "transpose_axes", graph([node("Transpose", ["X"], ["Y"], perm=[0, 0])]), "perm"
    yield "gather_axis", graph([node("Gather", ["X", "I"], ["Y"], axis=2)], [constant("I", [0], "int64")]), "axis 2"
    yield "slice_axis", graph([node("Slice", ["X", "S", "S", "A"], ["Y"])], [constant("S", [1], "int64"), constant("A", [3], "int64")]), "axis 3"
    yield "slice_lengths", graph([node("Slice", ["X", "S", "E"], ["Y"])], [constant("S", [1], "int64"), constant("E", [1, 2], "int64")]), "different lengths"
    yield "split_axis", graph([node("Split", ["X"], ["Y"], axis=3)]), "axis 3"
    yield "split_sizes", graph([node("Split", ["X", "S"], ["Y", "Z"], axis=1)], [constant("S", [1, 1], "int64")]), "into 2 parts of sizes [1, 1]"
    yield "split_count", graph([node("Split", ["X", "S"], ["Y"], axis=1)], [constant("S", [1, 2], "int64")]), "into 1 parts"
    yield "split_overflow", graph([node("Split", ["X", "S"], ["Y", "Z"], axis=1)], [constant("S", [2**63 - 1, 2**63 - 1], "int64")]), "to be split"
    yield "split_negative", graph([node("Split", ["X", "S"], ["Y", "Z"], axis=1)], [constant("S", [4, -1], "int64")]), "to be split"
    yield "split_nothing", graph([node("Split", ["X"], ["Y", "A", "B", "C"], axis=1)]), "into 4 parts"
    yield "constant_of_shape_huge", graph([node("ConstantOfShape", ["S"], ["Y"])], [constant("S", [2**40, 3], "int64")]), "expected at most"
    yield "constant_of_shape_negative", graph([node("ConstantOfShape", ["S"], ["Y"])], [constant("S", [-1, 3], "int64")]), "the shape"
    yield "expand_huge", graph([node("Expand", ["X", "S"], ["Y"])], [constant("S", [2**40, 3], "int64")]), "expected at most"
    yield "expand_negative", graph([node("Expand", ["X", "S"], ["Y"])], [constant("S", [-1, 3], "int64")]), "the shape"
    yield "mat_mul_shapes", graph([node("MatMul", ["X", "W"], ["Y"])], [constant("W", [[1.0, 2.0]])]), "floats that fit"
    yield "gemm_shapes", graph([node("Gemm", ["X", "W"], ["Y"], transB=1)], [constant("W", [[1.0, 2.0]])]), "floats that fit"
    yield "gemm_of_a_vector", graph([node("Gemm", ["X", "W"], ["Y"])], [constant("W", [1.0, 2.0, 3.0])]), "floats that fit"
    yield "add_shapes", graph([node("Add", ["X", "C"], ["Y"])], [constant("C", [1.0, 2.0])]), "Add"
    yield "add_types", graph([node("Add", ["X", "C"], ["Y"])], [constant("C", [1, 2, 3], "int64")]), "expected one type"
    yield "div_by_zero", graph([node("Cast", ["X"], ["I"], to=7), node("Div", ["I", "C"], ["Y"])], [constant("C", [0], "int64")]), "division of integers"
    yield "cast_to_nothing", graph([node("Cast", ["X"], ["Y"], to=99)]), "element type 99"
    yield "constant_without_value", graph([node("Constant", [], ["C"]), node("Add", ["X", "C"], ["Y"])]), "no value"
    yield "attribute_that_is_not_known", graph([node("Abs", ["X"], ["Y"], axis=0)]), "the attribute 'axis', which is not supported"
    yield "attribute_of_another_version", graph([node("Add", ["X", "X"], ["Y"], broadcast=1)]), "the attribute 'broadcast'"
    for opset in (0, 6, 27):
        yield f"operator_set_{opset}", graph([node("Abs", ["X"], ["Y"])], opset=opset), f"version {opset} of the operator set ai.onnx, expected 7 to 26"
    for ml in (0, 6):
        scaler = node("Scaler", ["X"], ["Y"], ML, offset=[0.0], scale=[1.0])
        yield f"operator_set_ml_{ml}", graph([scaler], ml=ml), f"version {ml} of the operator set ai.onnx.ml, expected 1 to 5"
    imputer = node("Imputer", ["X"], ["Y"], ML, imputed_value_floats=[1.0, 2.0], replaced_value_float=0.0)
    yield "imputer_of_another_width", graph([imputer]), "2 values to put in for an input of 3 columns"
    yield "gather_beyond", graph([node("Gather", ["X", "I"], ["Y"], axis=1)], [constant("I", [0, 3], "int64")]), "index 3 of 3 elements"
    yield "extractor_beyond", graph([node("ArrayFeatureExtractor", ["X", "I"], ["Y"], ML)], [constant("I", [-4], "int64")]), "index -4 of 3 elements"
    yield "too_many_inputs", graph([node("Sub", ["X", "X", "X"], ["Y"])]), "3 inputs, expected 2"
    yield from tensors()
    yield from more()
    yield from inside()


def ensemble(change):
    """A good TreeEnsemble of one node, changed."""
    attributes = {
        "n_targets": 1, "tree_roots": [0], "nodes_featureids": [0], "nodes_truenodeids": [0], "nodes_trueleafs": [1], "nodes_falsenodeids": [1],
        "nodes_falseleafs": [1], "leaf_targetids": [0, 0], "nodes_modes": helper.make_tensor("m", TensorProto.UINT8, [1], [0]),
        "nodes_splits": constant("s", [0.5]), "leaf_weights": constant("w", [1.0, 2.0])}
    attributes.update(change)
    return graph([node("TreeEnsemble", ["X"], ["Y"], ML, **{key: value for key, value in attributes.items() if value is not None})], ml=5, opset=21)


def more():
    def mode(value):
        return {"nodes_modes": helper.make_tensor("m", TensorProto.UINT8, [1], [value])}

    yield "ensemble_root", ensemble({"tree_roots": [1]}), "a root that is not there"
    yield "ensemble_leaf", ensemble({"nodes_truenodeids": [2]}), "node 0 goes on to 2, which is not there"
    yield "ensemble_negative", ensemble({"nodes_truenodeids": [-1]}), "node 0 goes on to -1"
    yield "ensemble_circle", ensemble({"nodes_truenodeids": [0], "nodes_trueleafs": [0]}), "go round in a circle"
    yield "ensemble_mode", ensemble(mode(7)), "a node of mode 7"
    yield "ensemble_members", ensemble(mode(6)), "without membership values"
    yield "ensemble_no_members", ensemble({**mode(6), "membership_values": constant("v", [float("nan")])}), "one of no numbers"
    yield "ensemble_other_members", ensemble({"membership_values": constant("v", [1.0, float("nan")])}), "membership values of no node"
    yield "ensemble_target", ensemble({"leaf_targetids": [0, 1]}), "a vote for target 1 of 1"
    yield "ensemble_lengths", ensemble({"nodes_featureids": [0, 0]}), "expected equal lengths"
    yield "ensemble_aggregate", ensemble({"aggregate_function": 4}), "'aggregate_function' is 4"
    yield "ensemble_transform", ensemble({"post_transform": 5}), "'post_transform' is 5"
    two = {"post_transform": 1, "n_targets": 2, "leaf_targetids": [0, 1]}
    yield "ensemble_softmax", ensemble(two), "SOFTMAX, and not LOGISTIC, in the standard"
    yield "dropout_in_training", graph([node("Dropout", ["X", "", "T"], ["Y"])], [constant("T", True, "bool")]), "'training_mode', expected false"
    yield "ensemble_feature", ensemble({"nodes_featureids": [3]}), "tests feature 3 of 3"

    machine = {"kernel_type": "RBF", "kernel_params": [0.4, 0.0, 3.0], "support_vectors": [0.5] * 12, "coefficients": [0.1] * 4, "rho": [0.1]}
    yield "svm_kernel", graph([node("SVMRegressor", ["X"], ["Y"], ML, **{**machine, "kernel_type": "CUBE"}, n_supports=4)]), "'CUBE'"
    yield "svm_vectors", graph([node("SVMRegressor", ["X"], ["Y"], ML, **machine, n_supports=5)]), "of 5 support vectors"
    yield "svm_huge", graph([node("SVMRegressor", ["X"], ["Y"], ML, **machine, n_supports=2**62)]), "support vectors for 3 features"
    yield "svm_classes", graph([node("SVMClassifier", ["X"], ["l", "Y"], ML, **machine, vectors_per_class=[4], classlabels_ints=[0])]), "1 classes"
    yield "svm_per_class", graph([node("SVMClassifier", ["X"], ["l", "Y"], ML, **machine, vectors_per_class=[2**62, 2**62], classlabels_ints=[0, 1])]), "support vectors, 12 numbers of these"
    yield "svm_parameters", graph([node("SVMRegressor", ["X"], ["Y"], ML, **{**machine, "kernel_params": [1.0]}, n_supports=4)]), "1 members of 'kernel_params'"
    yield "category_mapper", graph([node("CategoryMapper", ["X"], ["Y"], ML, cats_strings=["a"], cats_int64s=[1])]), "expected string or int64"
    yield "dict_vectorizer", graph([node("DictVectorizer", ["X"], ["Y"], ML, string_vocabulary=["a"])]), "expected a map"

    three = constant("T", [2, 2, 2], "int64")
    yield "tile_rank", graph([node("Tile", ["X", "T"], ["Y"])], [three]), "repeats of"
    yield "tile_huge", graph([node("Tile", ["X", "T"], ["Y"])], [constant("T", [2**40, 2**40], "int64")]), "expected at most"
    yield "pad_count", graph([node("Pad", ["X", "T"], ["Y"])], [three]), "3 pads for 2 axes"
    yield "pad_negative", graph([node("Pad", ["X", "T"], ["Y"])], [constant("T", [0, -9, 0, 0], "int64")]), "pads of -9 and 0"
    yield "pad_mode", graph([node("Pad", ["X", "T"], ["Y"], mode="cube")], [constant("T", [0, 0, 0, 0], "int64")]), "'cube'"
    yield "pad_overflow", graph([node("Pad", ["X", "T"], ["Y"])], [constant("T", [0, 2**63 - 1, 0, 2**63 - 1], "int64")]), "pads of"
    yield "top_k_too_many", graph([node("TopK", ["X", "K"], ["Y", "I"])], [constant("K", [4], "int64")]), "the first 4 of 3 elements"
    yield "top_k_negative", graph([node("TopK", ["X", "K"], ["Y", "I"])], [constant("K", [-1], "int64")]), "the first -1 of 3"
    yield "gather_elements_beyond", graph([node("GatherElements", ["X", "I"], ["Y"], axis=1)], [constant("I", [[3]], "int64")]), "index 3 of 3 elements"
    yield "gather_elements_shape", graph([node("GatherElements", ["X", "I"], ["Y"], axis=1)], [constant("I", [[0], [0]], "int64")]), "indices of shape"
    yield "gather_nd_shape", graph([node("GatherND", ["X", "I"], ["Y"])], [constant("I", [[0, 0, 0]], "int64")]), "indices of shape"
    yield "gather_nd_batches", graph([node("GatherND", ["X", "I"], ["Y"], batch_dims=-1)], [constant("I", [[0]], "int64")]), "indices of shape"
    yield "scatter_shape", graph([node("ScatterElements", ["X", "I", "U"], ["Y"], axis=1)], [constant("I", [[0]], "int64"), constant("U", [[1.0, 2.0]])]), "updates of shape"
    yield "one_hot_depth", graph([node("OneHot", ["X", "D", "V"], ["Y"])], [constant("D", 0, "int64"), constant("V", [0.0, 1.0])]), "a depth of 0"
    yield "one_hot_huge", graph([node("OneHot", ["X", "D", "V"], ["Y"])], [constant("D", 2**40, "int64"), constant("V", [0.0, 1.0])]), "expected at most"
    bounds = [constant("B", 0.0), constant("E", 1e30), constant("S", 1.0)]
    yield "range_huge", graph([node("Range", ["B", "E", "S"], ["Y"])], bounds), "a range from 0"
    yield "range_standing", graph([node("Range", ["B", "E", "S"], ["Y"])], [*bounds[:2], constant("S", 0.0)]), "a range from 0"
    yield "slice_standing", graph([node("Slice", ["X", "B", "E", "A", "S"], ["Y"])], [constant(name, [value], "int64") for name, value in zip("BEAS", (0, 3, 1, 0))]), "steps of [0]"
    yield "einsum_letters", graph([node("Einsum", ["X", "X"], ["Y"], equation="ij,k->i")]), "'k' for an input"
    yield "einsum_sizes", graph([node("Einsum", ["X", "W"], ["Y"], equation="ij,ij->i")], [constant("W", [[1.0, 2.0]])]), "is both 3 and 2"
    yield "einsum_output", graph([node("Einsum", ["X"], ["Y"], equation="ij->k")]), "a letter twice or a new one"
    yield "einsum_huge", graph([node("Einsum", ["X", "W", "W"], ["Y"], equation="ij,kl,mn->")], [constant("W", [[0.0] * 100] * 100)]), "expected at most"
    yield "batch_norm_statistics", graph([node("BatchNormalization", ["X", "S", "S", "S", "S"], ["Y"])], [constant("S", [1.0])]), "statistics of shape [1]"
    yield "group_norm_groups", graph([node("GroupNormalization", ["X", "S", "S"], ["Y"], num_groups=2)], [constant("S", [1.0])], opset=21), "2 groups of 3 channels"
    yield "layer_norm_scale", graph([node("LayerNormalization", ["X", "S"], ["Y"])], [constant("S", [1.0, 2.0])]), "cannot be stretched"
    yield "c_dist_columns", graph([node("CDist", ["X", "W"], ["Y"], "com.microsoft")], [constant("W", [[1.0, 2.0]])]), "matrices of 3 and 2 columns"
    yield "cum_sum_axis", graph([node("CumSum", ["X", "A"], ["Y"])], [constant("A", 2, "int64")]), "axis 2"
    yield "mod_by_zero", graph([node("Cast", ["X"], ["I"], to=7), node("Mod", ["I", "C"], ["Y"])], [constant("C", [0], "int64")]), "division of integers"
    yield "mod_of_floats", graph([node("Mod", ["X", "X"], ["Y"])]), "need"
    yield "non_zero_of_the_request", graph([node("NonZero", ["X"], ["Y"])]), "depends on the request"
    yield "sequence_as_a_tensor", graph([node("SequenceConstruct", ["X", "X"], ["S"]), node("Abs", ["S"], ["Y"])]), "reads the sequence 'S'"
    yield "non_zero_huge", graph([node("ConstantOfShape", ["L"], ["C"], value=constant("v", [1.0])), node("NonZero", ["C"], ["Y"])],
                                 [constant("L", [2**23, 1, 1, 1], "int64")]), "expected at most"
    yield "dimensions", graph([node("Reshape", ["X", "S"], ["Y"])], [constant("S", [3] + [1] * 40, "int64")]), "a tensor of 41 dimensions"
    yield "sequence_split_long", graph([node("Expand", ["X", "L"], ["E"]), node("SplitToSequence", ["E"], ["S"], axis=0), node("SequenceLength", ["S"], ["Y"])],
                                       [constant("L", [5000, 3], "int64")]), "an axis of 5000 to be split"
    yield "sequence_at", graph([node("SequenceConstruct", ["X"], ["S"]), node("SequenceAt", ["S", "I"], ["Y"])], [constant("I", 1, "int64")]), "axis 1"
    yield "sequence_of_a_tensor", graph([node("SequenceAt", ["X", "I"], ["Y"])], [constant("I", 0, "int64")]), "expected a sequence"

    def scan(body_inputs, body_nodes, body_outputs, inputs=("X", "X"), **attributes):
        value = helper.make_empty_tensor_value_info
        body = helper.make_graph(body_nodes, "body", [value(name) for name in body_inputs], [value(name) for name in body_outputs])
        return graph([node("Scan", list(inputs), ["a", "Y"], body=body, **attributes)])

    add = [node("Add", ["s", "x"], ["t"])]
    yield "scan_counts", scan(["s", "x"], add, ["t", "t"], num_scan_inputs=3), "slices of which of 2 inputs"
    yield "scan_inputs", scan(["s"], [node("Abs", ["s"], ["t"])], ["t", "t"], num_scan_inputs=1), "1 inputs, expected 2"
    yield "scan_states", scan(["s", "x"], [node("Flatten", ["s"], ["t"], axis=0)], ["x", "t"], num_scan_inputs=1), "expected the same types"
    yield "scan_axis", scan(["s", "x"], add, ["t", "t"], num_scan_inputs=1, scan_input_axes=[2]), "axis 2"
    yield "scan_operator", scan(["s", "x"], [node("Conv", ["s", "x"], ["t"])], ["t", "t"], num_scan_inputs=1), "the supported ones are"
    yield "scan_reads_around", scan(["s", "x"], [node("Add", ["s", "X"], ["t"])], ["t", "t"], num_scan_inputs=1), "reads 'X' around it"
    nested = helper.make_graph([node("Scan", ["s", "x"], ["t", "u"], num_scan_inputs=1, body=helper.make_graph(
        [node("Add", ["p", "q"], ["r"])], "inner", [helper.make_empty_tensor_value_info(name) for name in "pq"],
        [helper.make_empty_tensor_value_info(name) for name in "rr"]))], "outer", [helper.make_empty_tensor_value_info(name) for name in "sx"],
        [helper.make_empty_tensor_value_info(name) for name in "tu"])
    yield "scan_in_a_scan", graph([node("Scan", ["X", "X"], ["a", "Y"], body=nested, num_scan_inputs=1)]), "a graph inside its graph"
    long = [constant("L", [2**22, 1], "int64"), constant("C", [[1.0, 2.0, 3.0]])]
    yield "scan_long", graph([node("Expand", ["C", "L"], ["E"]), node("Scan", ["X", "E"], ["a", "Y"], num_scan_inputs=1, body=helper.make_graph(
        [node("Add", ["s", "x"], ["t"])], "body", [helper.make_empty_tensor_value_info(name) for name in "sx"],
        [helper.make_empty_tensor_value_info(name) for name in "tt"]))], long), "4194304 slices and"
    yield "scan_without_body", graph([node("Scan", ["X", "X"], ["a", "Y"], num_scan_inputs=1)]), "no attribute 'body'"


def inside():
    """Functions and graphs inside nodes."""
    def calls(*functions, **attributes):
        return graph([call(functions[0].name, ["X"], ["Y"], **attributes)], functions=functions)

    def chain(length, each):
        """Functions of which each calls the next one so often; the last one does nothing."""
        for i in range(length):
            names = ["x", *(f"t{k}" for k in range(each - 1)), "y"]
            yield function(f"f{i}", ["x"], ["y"], [call(f"f{i + 1}", [a], [b]) for a, b in zip(names, names[1:])])
        yield function(f"f{length}", ["x"], ["y"], [node("Identity", ["x"], ["y"])])

    yield "function_missing", graph([call("f", ["X"], ["Y"])]), f"has the operator {LOCAL}.f"
    yield "function_missing_inside", calls(function("f", ["x"], ["y"], [call("g", ["x"], ["y"])])), f"has the operator {LOCAL}.g"
    yield "function_calls_itself", calls(function("f", ["x"], ["y"], [call("f", ["x"], ["y"])])), f"calls itself: {LOCAL}.f, {LOCAL}.f"
    circle = [function("f", ["x"], ["y"], [call("g", ["x"], ["y"])]), function("g", ["x"], ["y"], [call("f", ["x"], ["y"])])]
    yield "functions_in_a_circle", calls(*circle), f"calls itself: {LOCAL}.f, {LOCAL}.g, {LOCAL}.f"
    truth = constant("B", True, "bool")
    hidden = branch([call("f", ["x"], ["t"])], ["t"])
    yield "function_calls_itself_in_a_graph", calls(function("f", ["x"], ["y"], [
        node("Constant", [], ["b"], value=truth), node("If", ["b"], ["y"], then_branch=hidden, else_branch=hidden)])), "calls itself"
    yield "functions_that_double", calls(*chain(30, 2)), "come to more than 16384 nodes"
    nothing = [function(f"f{i}", ["x"], [], [call(f"f{i + 1}", ["x"], []) for _ in range(100)]) for i in range(9)] + [function("f9", ["x"], [], [])]
    yield "functions_of_nothing", graph([call("f0", ["X"], []), node("Identity", ["X"], ["Y"])], functions=nothing), "come to more than 16384 nodes"
    yield "functions_too_deep", calls(*chain(40, 1)), "inside each other"
    large = node("Constant", [], ["c"], value=constant("v", [0.0] * 6000))
    wide = [function("f", ["x"], ["y"], [call("g", ["x"], [f"t{i}"]) for i in range(3500)] + [node("Identity", ["x"], ["y"])]),
            function("g", ["x"], ["y"], [large, node("Identity", ["x"], ["y"])])]
    yield "functions_of_gigabytes", calls(*wide), "come to more than 67108864 bytes"
    long = "x" * 50_000
    named = function("f", ["x"], ["y"], [node("Sum", ["x"] * 2000, ["y"])])
    yield "functions_of_long_names", graph([node("Identity", ["X"], [long]), call("f", [long], ["Y"])], functions=[named]), "come to more than 67108864 bytes"
    one = function("f", ["x"], ["y"], [node("Abs", ["x"], ["y"])])
    yield "function_twice", calls(one, one), f"two functions '{LOCAL}.f'"
    yield "function_with_too_many_inputs", graph([call("f", ["X", "X"], ["Y"])], functions=[one]), "2 inputs, expected at most 1"
    yield "function_with_too_many_outputs", graph([call("f", ["X"], ["Y", "Z"])], functions=[one]), "2 outputs, expected at most 1"
    yield "function_without_its_input", graph([call("f", [], ["Y"])], functions=[one]), "input 0 is missing"
    yield "function_with_an_attribute", calls(one, axis=1), "the attribute 'axis', which its function has not"
    yield "function_without_an_attribute", calls(function("f", ["x"], ["y"], [refers("Softmax", ["x"], ["y"], "axis", "axis", 2)])), "which it has not"
    yield "function_attribute_of_another_kind", calls(function("f", ["x"], ["y"], [refers("Softmax", ["x"], ["y"], "axis", "axis", 2)], ["axis"]), axis=0.5), "of kind 1"
    yield "function_that_gives_nothing", calls(function("f", ["x"], ["y"], [node("Abs", ["x"], ["z"])])), "nothing in it gives the output 'Y'"
    yield "function_that_passes_on", calls(function("f", ["x"], ["x"], [])), "nothing in it gives the output 'Y'"
    yield "function_that_reads_around", calls(function("f", ["x"], ["y"], [node("Add", ["x", "X"], ["y"])])), "which no input or earlier node gives"
    yield "function_of_an_old_operator_set", calls(function("f", ["x"], ["y"], [node("Abs", ["x"], ["y"])], opset=6)), "version 6 of the operator set ai.onnx"
    yield "function_with_an_operator_missing", calls(function("f", ["x"], ["y"], [node("Conv", ["x", "x"], ["y"])])), "the supported ones are"

    def choice(nodes, condition="B", then=None, otherwise=None, outputs=("Y",), initializers=()):
        same = branch([node("Abs", ["X"], ["t"])], ["t"])
        made = node("If", [condition], list(outputs), then_branch=then or same, else_branch=otherwise or same)
        return graph([*nodes, made], [truth, *initializers])

    asked = [node("ReduceMax", ["X"], ["M"], keepdims=0), node("Cast", ["M"], ["C"], to=TensorProto.BOOL)]
    yield "if_without_a_branch", graph([node("If", ["B"], ["Y"], then_branch=branch([], ["X"]))], [truth]), "no attribute 'else_branch'"
    yield "if_of_numbers", choice([], "X"), "a condition of type float32"
    yield "if_of_several", choice([node("Cast", ["X"], ["C"], to=TensorProto.BOOL)], "C"), "expected one bool"
    yield "if_without_a_condition", choice([], ""), "input 0 is missing"
    yield "if_of_two_types", choice(asked, "C", branch([node("Cast", ["X"], ["t"], to=7)], ["t"])), "int64 or float32, expected one type"
    yield "if_of_two_shapes", choice(asked, "C", branch([node("Concat", ["X", "X"], ["t"], axis=1)], ["t"])), "a shape that depends on the request"
    yield "if_with_too_many_outputs", choice(asked, "C", outputs=("Y", "Z")), "0 inputs and 1 outputs, expected none and 2"
    yield "if_with_inputs", choice([], then=helper.make_graph([node("Abs", ["q"], ["t"])], "branch", [helper.make_empty_tensor_value_info("q")],
                                                               [helper.make_empty_tensor_value_info("t")])), "1 inputs and 1 outputs, expected none"
    yield "if_that_gives_nothing", choice([], then=branch([], ["t"])), "it reads 't', which no input or earlier node gives"
    yield "if_that_reads_nothing", choice([], then=branch([node("Abs", ["q"], ["t"])], ["t"])), "it reads 'q', which no input or earlier node gives"
    yield "if_that_gives_again", choice([], then=branch([node("Abs", ["X"], ["X"])], ["X"])), "which is there already"
    yield "if_with_an_operator_missing", choice([], then=branch([node("Conv", ["X", "X"], ["t"])], ["t"])), "the supported ones are"
    sequence = branch([node("SequenceConstruct", ["X"], ["t"])], ["t"])
    yield "if_of_sequences", choice(asked, "C", sequence, sequence), "a sequence or a map that depends on the request"

    yield "late_output", graph([node("NonZero", ["X"], ["P"]), node("Cast", ["P"], ["Y"], to=1)]), "depends on the request"
    yield "late_operator_missing", graph([node("NonZero", ["X"], ["P"]), node("Conv", ["P", "P"], ["U"]), node("ScatterElements", ["X", "P", "U"], ["Y"])]), "the supported ones are"


def tensors():
    def changed(change):
        tensor = constant("C", [1.0, 2.0, 3.0])
        change(tensor)
        return graph([node("Add", ["X", "C"], ["Y"])], [tensor])

    def raw(tensor):
        tensor.ClearField("float_data")
        tensor.raw_data = b"12345"

    def external(tensor):
        tensor.data_location = TensorProto.EXTERNAL

    def raw_strings(tensor):
        raw(tensor)
        tensor.data_type = TensorProto.STRING

    yield "tensor_too_short", changed(lambda it: it.dims.__setitem__(0, 4)), "it has 3 elements"
    yield "tensor_huge", changed(lambda it: it.dims.extend([2**62, 2**62])), "expected at most"
    yield "tensor_negative", changed(lambda it: it.dims.__setitem__(0, -3)), "a dimension of -3"
    yield "tensor_of_half_elements", changed(raw), "it has 1 elements"
    yield "tensor_elsewhere", changed(external), "a file of its own"
    yield "tensor_of_raw_strings", changed(raw_strings), "strings as raw data"
    yield "tensor_of_another_type", changed(lambda it: setattr(it, "data_type", 10)), "element type 10"


def widths():
    """Graphs from an input of open width, or of one column that may be missing."""
    edges = [float(i) for i in range(65)]
    row = constant("C", [edges])
    truth = [node("Cast", ["B"], ["Y"], to=TensorProto.FLOAT)]
    open_ones = {
        "sub": ([node("Sub", ["X", "C"], ["Y"])], [row]),
        "where": ([node("IsNaN", ["X"], ["N"]), node("Where", ["N", "C", "X"], ["Y"])], [row]),
        "greater": ([node("Greater", ["X", "C"], ["B"]), *truth], [row]),
        "scaler": ([node("Scaler", ["X"], ["Y"], ML, offset=edges, scale=edges)], []),
        "mat_mul": ([node("MatMul", ["X", "W"], ["Y"])], [constant("W", [[v] for v in edges])]),
        "imputer": ([node("Imputer", ["X"], ["Y"], ML, imputed_value_floats=edges, replaced_value_float=0.0)], []),
        "gather": ([node("Gather", ["X", "I"], ["Y"], axis=1)], [constant("I", [64], "int64")]),
    }
    for name, (nodes, initializers) in open_ones.items():
        yield name, graph(nodes, initializers, width=None), ""
    attributes, leaves = trees(trees=1)
    attributes["nodes_featureids"] = [0] * len(attributes["nodes_featureids"])
    encoder = {"cats_int64s": [0, 1, 2], "zeros": 1}
    columns = {
        "column": open_ones["greater"],
        "cast_to_bool": ([node("Cast", ["X"], ["B"], to=TensorProto.BOOL), *truth], []),
        "cast_to_encoder": ([node("Cast", ["X"], ["I"], to=TensorProto.INT64), node("OneHotEncoder", ["I"], ["H"], ML, **encoder),
                             node("Flatten", ["H"], ["Y"])], []),
        "encoder": ([node("OneHotEncoder", ["X"], ["H"], ML, **encoder), node("Flatten", ["H"], ["Y"])], []),
        "imputed": ([node("Imputer", ["X"], ["Y"], ML, imputed_value_floats=[0.0], replaced_value_float=float("nan"))], []),
        "where_nan": ([node("IsNaN", ["X"], ["N"]), node("Where", ["N", "Z", "X"], ["Y"])], [constant("Z", [0.0])]),
        "tree": ([node("TreeEnsembleRegressor", ["X"], ["Y"], ML, **attributes, **votes("target", leaves, [0]), n_targets=1)], []),
    }
    for name, (nodes, initializers) in columns.items():
        yield name, graph(nodes, initializers, width=1), ""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    check = arguments.parse_args().check
    for name, made in (("malformed.json", cases()), ("widths.json", widths())):
        made = [{"name": name, "onnx": model.hex(), "message": message} for name, model, message in made]
        text = "[\n" + ",\n".join(json.dumps(it, separators=(",", ":")) for it in made) + "\n]\n"
        path = HERE / name
        if not check:
            path.write_text(text, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            sys.exit(f"{path.name} is stale: run {Path(__file__).name} and review the diff")


if __name__ == "__main__":
    main()
