# Compiler flags that every target of the project shares, and the per-instruction-set ones.

add_library(ixc_options INTERFACE)
target_compile_options(ixc_options INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-align -Woverloaded-virtual
  # No contraction and no reassociation: what the source says is what is computed, so that results
  # are the same whatever the compiler thinks of a loop. Kernels ask for FMA by intrinsics.
  -ffp-contract=off)
if(IXC_WERROR)
  target_compile_options(ixc_options INTERFACE -Werror)
endif()
if(IXC_SANITIZE)
  add_compile_options(-fsanitize=${IXC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${IXC_SANITIZE})
  # Half the compile time of -O2 -g; stack traces keep their lines. Kernels stay at -O2, or tests crawl;
  # where GCC keeps track of variables there, one file of unrolled products takes three minutes.
  add_compile_options(-O1 -g1)
  file(GLOB_RECURSE kernel_sources ${CMAKE_CURRENT_SOURCE_DIR}/src/kernels/*.cc)
  set_source_files_properties(${kernel_sources} PROPERTIES
    COMPILE_OPTIONS "-O2;$<$<CXX_COMPILER_ID:GNU>:-fno-var-tracking>")
endif()

if(IXC_BUILD_FUZZERS)
  add_compile_options(-fsanitize=fuzzer-no-link)  # coverage that steers the fuzzer
endif()

# A file named *_avx2.cc, *_avx512.cc, *_avx512vnni.cc or *_amx.cc is compiled for that instruction set and no other file is:
# the program starts on any x86-64 and picks at run time (src/cpu/features.h).
function(ixc_set_isa_flags)
  foreach(source ${ARGN})
    if(source MATCHES "_avx2\\.cc$")
      set_property(SOURCE ${source} APPEND PROPERTY COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
    elseif(source MATCHES "_(avx512|avx512vnni|amx)\\.cc$")
      set(wide -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512)
      if(CMAKE_MATCH_1 STREQUAL "avx512vnni")
        list(APPEND wide -mavx512vnni)
      elseif(CMAKE_MATCH_1 STREQUAL "amx")
        list(APPEND wide -mamx-tile -mamx-int8 -mamx-bf16)
      endif()
      # GCC 12 warns falsely about uninitialised values inside its own AVX-512 headers.
      list(APPEND wide -Wno-uninitialized $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
      set_property(SOURCE ${source} APPEND PROPERTY COMPILE_OPTIONS ${wide})
    endif()
  endforeach()
endfunction()
