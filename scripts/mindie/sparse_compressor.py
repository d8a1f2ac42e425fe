#!/usr/bin/env python3
"""The original's sparse_compressor, w8a8s to w8a8sc, carried out by ixc.

The number of parts is the number of processes that torchrun starts (WORLD_SIZE); the first of them
writes all parts."""
import os
import sys

from twin import Parser, fail, need_directory, run


def main():
    parser = Parser(__doc__)
    parser.add_argument("--model_path", required=True, help="w8a8s directory")
    parser.add_argument("--save_directory", required=True, help="directory to write")
    parser.add_argument("--multiprocess_num", type=int, default=8,
                        help="accepted and changes nothing")
    parser.add_argument("--save_split_w8a8s_dir", default="", help="not supported")
    options = parser.parse_args()
    if options.save_split_w8a8s_dir:
        fail("--save_split_w8a8s_dir is not supported; the w8a8s directory runs as it is", 2)
    need_directory("--model_path", options.model_path)
    if int(os.environ.get("RANK", "0")) != 0:
        sys.exit(0)
    run("compress", options.model_path, options.save_directory, "--tp",
        os.environ.get("WORLD_SIZE", "1"))


if __name__ == "__main__":
    main()
