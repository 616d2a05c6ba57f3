# tests/modules: what is found beside the library. The planted ones are never instrumented: a sanitizer in the child
# would answer for a crash. An emulator cannot start the child, so these tests are of native trees.
set(folder ${CMAKE_CURRENT_BINARY_DIR}/modules/planted)
set(number 0)
foreach(which IN ITEMS sound wrong_abi no_function crash_in_constructor crash abort exit hang_in_constructor hang idle
        row_lacks backend chatter)
    add_library(planted_${which} MODULE modules/planted.c)
    set_target_properties(planted_${which} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${folder}
        C_STANDARD 17 C_EXTENSIONS ON C_VISIBILITY_PRESET hidden)
    target_compile_definitions(planted_${which} PRIVATE _GNU_SOURCE PLANTED=${number})
    target_include_directories(planted_${which} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
    list(APPEND planted planted_${which})
    math(EXPR number "${number} + 1")
endforeach()
hone_test(modules/found ARGUMENTS $<TARGET_FILE:hone_probe> ${folder})
add_dependencies(test_modules_found hone_probe ${planted})
