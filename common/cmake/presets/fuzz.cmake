# cmake -C common/cmake/presets/fuzz.cmake -B build/fuzz -G Ninja
# libFuzzer needs clang.
set(CMAKE_C_COMPILER clang CACHE STRING "")
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" CACHE STRING "")
set(MAILRAIL_FUZZ ON CACHE BOOL "")
