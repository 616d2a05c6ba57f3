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

# The system's CBLAS libraries, and one of ours that goes by MKL's name: what is like it is shown without it.
if(TARGET hone_module_cblas)
    add_library(stand_in_mkl SHARED modules/stand_in_mkl.c)
    set_target_properties(stand_in_mkl PROPERTIES OUTPUT_NAME mkl_rt SOVERSION 2
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/modules/mkl C_STANDARD 17)
    hone_test(modules/cblas ARGUMENTS $<TARGET_FILE:hone_probe> $<TARGET_FILE_DIR:hone_module_cblas>)
    add_dependencies(test_modules_cblas hone_probe hone_module_cblas stand_in_mkl)
    set_property(TEST ${prefix}modules.cblas APPEND PROPERTY ENVIRONMENT
        LD_LIBRARY_PATH=${CMAKE_CURRENT_BINARY_DIR}/modules/mkl)
endif()
