# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Dynamic networks to try dycl on, written as their authors would write them.

Each is a factory that returns `(model, args)`: an `nn.Module` in evaluation mode, and example arguments; and
`factory.inputs(count, seed)` draws more of them. One file a family. `dycl zoo list` names them. Importing `dycl.zoo`
imports no torch; using a factory does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dycl.zoo.catalog import entries

if TYPE_CHECKING:
    from dycl.zoo.adaptive_computation import universal_transformer
    from dycl.zoo.adaptive_graphs import convnet_aig
    from dycl.zoo.blockdrop import blockdrop32, blockdrop110
    from dycl.zoo.branchynet import branchynet_lenet
    from dycl.zoo.captioning import caption_googlenet, caption_resnext
    from dycl.zoo.decoder import decoder_kv
    from dycl.zoo.digits import digits_early_exit
    from dycl.zoo.highway_bert import deebert
    from dycl.zoo.layer_skip import speculative
    from dycl.zoo.mixture import moe_top1, moe_top2
    from dycl.zoo.multi_scale import msdnet
    from dycl.zoo.patient_bert import pabee
    from dycl.zoo.resolution_adaptive import ranet
    from dycl.zoo.shallow_deep import sdn_mobilenet, sdn_resnet50, sdn_resnet56, sdn_vgg16, sdn_vgg19, sdn_wideresnet
    from dycl.zoo.skipnet import skipnet38_dense, skipnet38_rnn, skipnet74_rnn, skipnet110_rnn
    from dycl.zoo.student_bert import fastbert, fastbert_batched
    from dycl.zoo.translation import seq2seq_gru, seq2seq_roman
    from dycl.zoo.tree import tree_lstm

__all__ = [
    "blockdrop32",
    "blockdrop110",
    "branchynet_lenet",
    "caption_googlenet",
    "caption_resnext",
    "convnet_aig",
    "decoder_kv",
    "deebert",
    "digits_early_exit",
    "fastbert",
    "fastbert_batched",
    "moe_top1",
    "moe_top2",
    "msdnet",
    "pabee",
    "ranet",
    "sdn_mobilenet",
    "sdn_resnet50",
    "sdn_resnet56",
    "sdn_vgg16",
    "sdn_vgg19",
    "sdn_wideresnet",
    "seq2seq_gru",
    "seq2seq_roman",
    "skipnet38_dense",
    "skipnet38_rnn",
    "skipnet74_rnn",
    "skipnet110_rnn",
    "speculative",
    "tree_lstm",
    "universal_transformer",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"dycl.zoo has no {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"dycl.zoo.{entries()[name].module}"), name)


def __dir__() -> list[str]:
    return [*__all__]
