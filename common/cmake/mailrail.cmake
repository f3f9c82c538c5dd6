# The few shapes that everything here is built from. Sources are found by their place in the tree,
# so that adding a file needs no edit; the links of each library repeat the layers of
# docs/architecture.md.

# mailrail_library(common/text LINKS base): static library "text" from common/text/*.c.
function(mailrail_library directory)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  get_filename_component(name ${directory} NAME)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${directory}/*.c)
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC ${arg_LINKS})
  else() # headers only
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${arg_LINKS})
  endif()
endfunction()

# mailrail_service(imap LINKS service mail): executable "mailrail-imap" from services/imap/main.c,
# and library "imap_core" from all other files there, for tests.
function(mailrail_service name)
  cmake_parse_arguments(arg "" "OUTPUT" "LINKS" ${ARGN})
  set(directory ${CMAKE_SOURCE_DIR}/services/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${directory}/*.c)
  list(REMOVE_ITEM sources ${directory}/main.c)
  set(output mailrail-${name})
  if(arg_OUTPUT)
    set(output ${arg_OUTPUT})
  endif()
  if(sources)
    add_library(${name}_core STATIC ${sources})
    target_link_libraries(${name}_core PUBLIC ${arg_LINKS})
  else()
    add_library(${name}_core INTERFACE)
    target_link_libraries(${name}_core INTERFACE ${arg_LINKS})
  endif()
  add_executable(${output} ${directory}/main.c)
  target_link_libraries(${output} PRIVATE ${name}_core)
  set_target_properties(${output} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  install(TARGETS ${output} RUNTIME DESTINATION bin)
endfunction()

# mailrail_unit_tests(common/text LINKS text): one Criterion program "unit-common-text" from
# tests/unit/common/text/*_test.c.
function(mailrail_unit_tests directory)
  if(NOT MAILRAIL_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/${directory}/*_test.c)
  if(NOT sources)
    return()
  endif()
  string(REPLACE "/" "-" name unit-${directory})
  add_executable(${name} ${sources})
  # Criterion's macros are outside our warnings.
  target_compile_options(${name} PRIVATE -Wno-pedantic -Wno-shadow -Wno-conversion -Wno-missing-field-initializers)
  target_link_libraries(${name} PRIVATE ${arg_LINKS} test_tools criterion)
  # Tests find their data beside their source, by __FILE__, which ccache makes relative to here.
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
  # A leak that LeakSanitizer finds must fail the test, not only be printed.
  set_tests_properties(${name} PROPERTIES TIMEOUT 300
    ENVIRONMENT "ASAN_OPTIONS=abort_on_error=1:detect_leaks=1;UBSAN_OPTIONS=print_stacktrace=1;LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/unit/lsan.supp;MAILRAIL_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endfunction()

# mailrail_fuzz(cursor LINKS text): tests/fuzz/cursor_fuzz.c. With MAILRAIL_FUZZ it is a libFuzzer
# program "fuzz-cursor"; with MAILRAIL_TESTS a test that replays tests/fuzz/corpus/cursor/.
function(mailrail_fuzz name)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  set(source ${CMAKE_SOURCE_DIR}/tests/fuzz/${name}_fuzz.c)
  if(MAILRAIL_FUZZ)
    add_executable(fuzz-${name} ${source})
    target_link_libraries(fuzz-${name} PRIVATE ${arg_LINKS} -fsanitize=fuzzer)
    if(NOT TARGET fuzzers)
      add_custom_target(fuzzers)
    endif()
    add_dependencies(fuzzers fuzz-${name})
  elseif(MAILRAIL_TESTS)
    add_executable(fuzz-${name} ${source} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
    target_link_libraries(fuzz-${name} PRIVATE ${arg_LINKS})
    add_test(NAME fuzz-replay-${name} COMMAND fuzz-${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  endif()
endfunction()
