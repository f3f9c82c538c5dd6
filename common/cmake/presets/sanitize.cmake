# cmake -C common/cmake/presets/sanitize.cmake -B build/sanitize -G Ninja
# Address and undefined-behaviour sanitizers; every finding ends the program.
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" CACHE STRING "")
set(CMAKE_POSITION_INDEPENDENT_CODE ON CACHE BOOL "")
set(MAILRAIL_TESTS ON CACHE BOOL "")
