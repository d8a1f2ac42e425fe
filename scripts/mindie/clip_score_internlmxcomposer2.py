#!/usr/bin/env python3
"""The original's clip_score_internlmxcomposer2.py, carried out by ixc."""
import pathlib

from twin import Parser, fail, run

NAMES = ("open_clip_pytorch_model.bin", "open_clip_model.safetensors")


def judge_of(options):
    """The directory of the weights: ixc finds them there by name."""
    weights = pathlib.Path(options.model_weights_path)
    if not weights.is_file():
        fail(f"--model_weights_path: '{weights}' is not there")
    if weights.name not in NAMES:
        fail(f"--model_weights_path: '{weights}' must be called {' or '.join(NAMES)}")
    if options.model_name != "ViT-H-14" and not (weights.parent / "open_clip_config.json").exists():
        fail(f"--model_name: {options.model_name} needs its open_clip_config.json in "
             f"'{weights.parent}'")
    return weights.parent


def main():
    parser = Parser(__doc__)
    parser.add_argument("--device", default="0", help="accepted and changes nothing")
    parser.add_argument("--model_name", default="ViT-H-14",
                        help="others are described by an open_clip_config.json beside the weights")
    parser.add_argument("--model_weights_path", default="./open_clip_pytorch_model.bin")
    parser.add_argument("--image_info", default="./image_info.json", help="file of answers")
    parser.add_argument("--dataset_path", default="./cocoTest/", help="folder of pictures")
    options = parser.parse_args()
    run("clip-score", "--judge", judge_of(options), "--predictions", options.image_info, "--images",
        options.dataset_path)


if __name__ == "__main__":
    main()
