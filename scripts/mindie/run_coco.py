#!/usr/bin/env python3
"""The original's run_coco.py, the reference route of its precision test, carried out by ixc."""
from twin import Parser, need_directory, run


def main():
    parser = Parser(__doc__)
    parser.add_argument("--model_path", default="", help="weight directory")
    parser.add_argument("--image_path", default="", help="folder of pictures")
    parser.add_argument("--output_file", default="./torch_npu_coco_predict.json",
                        help="answers, {file name: answer} (default: %(default)s)")
    options = parser.parse_args()
    need_directory("--model_path", options.model_path)
    need_directory("--image_path", options.image_path)
    run("precision", "--route", "reference", "--model", options.model_path, "--images",
        options.image_path, "--output", options.output_file)


if __name__ == "__main__":
    main()
