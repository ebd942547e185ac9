"""Computed once when it is fetched: a graph that is not what the manifest says, or mixes a batch, is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from models.manifest import Manifest, ModelError, Net
from models.proof import prove
from models.rebuild import rebuild
from tests.models.published import ARCFACE, NEW_NAMES, OLD_NAMES, SCRFD, iresnet, scrfd
from tests.models.reference import FILES
from tests.models.stage import called, changed


@pytest.mark.parametrize("name", ["yunet", "sface"])
def test_the_shipped_networks_are_what_the_manifest_says(name: str, manifest: Manifest) -> None:
    prove(onnx.load(FILES / f"{name}-fp32.onnx"), called(manifest, name))


@pytest.mark.parametrize("as_inputs", [False, True])
@pytest.mark.parametrize(
    ("model", "net"),
    [
        pytest.param(lambda as_inputs: scrfd("one", as_inputs=as_inputs), SCRFD, id="SCRFD for one picture"),
        pytest.param(
            lambda as_inputs: scrfd("any", NEW_NAMES, as_inputs=as_inputs),
            changed(SCRFD, outputs=NEW_NAMES),
            id="SCRFD for several",
        ),
        pytest.param(lambda as_inputs: iresnet("one", as_inputs=as_inputs), ARCFACE, id="IResNet for one"),
        pytest.param(lambda as_inputs: iresnet("any", as_inputs=as_inputs), ARCFACE, id="IResNet for several"),
        pytest.param(
            lambda as_inputs: iresnet(dimension=256, as_inputs=as_inputs),
            changed(ARCFACE, dimension=256),
            id="another dimension",
        ),
    ],
)
def test_what_insightface_publishes_takes_several_pictures(
    model: Callable[[bool], onnx.ModelProto], net: Net, *, as_inputs: bool
) -> None:
    prove(rebuild(model(as_inputs).SerializeToString(), net), net)


@pytest.mark.parametrize(("model", "net"), [(scrfd("mixed"), SCRFD), (iresnet("mixed"), ARCFACE)])
def test_an_export_that_mixes_a_batch_is_refused(model: onnx.ModelProto, net: Net) -> None:
    with pytest.raises(ModelError, match=rf"{net.name}: output '.*' of a picture differs by .*mixes a batch; take the"):
        prove(rebuild(model.SerializeToString(), net), net)


def _without_sigmoid(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.op_type = "Identity" if node.op_type == "Sigmoid" else node.op_type


def _of_one_size(model: onnx.ModelProto) -> None:
    sizes = {"up_8.sizes": [1, 3, 80, 80], "up_16.sizes": [1, 3, 40, 40]}
    nodes = [node for node in model.graph.node if node.output[0] not in sizes]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for name, values in sizes.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(values), name))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        pytest.param(_without_sigmoid, r"score '448' is -\d+ to .*, not 0 to 1; its sigmoid is missing", id="logits"),
        pytest.param(_of_one_size, "cannot be computed for pictures of 2 x 3 x 64 x 96: ", id="one size for ever"),
    ],
)
def test_a_detector_that_is_not_what_it_should_be_is_named(
    spoil: Callable[[onnx.ModelProto], None], complaint: str
) -> None:
    model = scrfd()
    spoil(model)
    with pytest.raises(ModelError, match=rf"scrfd: {complaint}"):
        prove(rebuild(model.SerializeToString(), SCRFD), SCRFD)


def test_outputs_in_another_order_are_refused() -> None:
    backwards = changed(SCRFD, outputs=OLD_NAMES[::-1])
    with pytest.raises(
        ModelError, match=r"output '500' is \[2, 12, 10\] .* \[1, 12, 10\] for one, expected \[2, 192, 1\]"
    ):
        prove(rebuild(scrfd().SerializeToString(), backwards), backwards)


def test_templates_of_another_dimension_are_refused() -> None:
    net = changed(ARCFACE, dimension=128)
    with pytest.raises(ModelError, match=r"arcface: output '683' is \[2, 512\] .* expected \[2, 128\] and \[1, 128\]"):
        prove(rebuild(iresnet().SerializeToString(), net), net)
