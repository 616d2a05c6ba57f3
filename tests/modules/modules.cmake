# tests/modules: what is found beside the library. The planted ones are never instrumented: a sanitizer in the child
# would answer for a crash. An emulator cannot start the child, so these tests are of native trees.
set(folder ${CMAKE_CURRENT_BINARY_DIR}/modules/planted)
set(number 0)
foreach(which IN ITEMS sound wrong_abi no_function crash_in_constructor crash abort exit hang_in_constructor hang idle
        row_lacks backend chatter lacks_symbol lacks_library)
    add_library(planted_${which} MODULE modules/planted.c)
    set_target_properties(planted_${which} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${folder}
        C_STANDARD 17 C_EXTENSIONS ON C_VISIBILITY_PRESET hidden)
    target_compile_definitions(planted_${which} PRIVATE _GNU_SOURCE PLANTED=${number})
    target_include_directories(planted_${which} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
    list(APPEND planted planted_${which})
    math(EXPR number "${number} + 1")
endforeach()
add_library(planted_elsewhere SHARED modules/planted_elsewhere.c)
set_target_properties(planted_elsewhere PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${folder}/elsewhere SKIP_BUILD_RPATH ON)
target_link_libraries(planted_lacks_library PRIVATE planted_elsewhere)
set_target_properties(planted_lacks_library PROPERTIES SKIP_BUILD_RPATH ON)
hone_test(modules/found ARGUMENTS $<TARGET_FILE:hone_probe> ${folder})
add_dependencies(test_modules_found hone_probe ${planted})

# Other people's libraries, and ones of ours that go by their names: what is like them is shown without them.
#
#   rows_test(<subject> <test program> <module> [<folder of stand-ins>])
function(rows_test subject program module)
    add_test(NAME ${prefix}modules.${subject} COMMAND test_modules_${program} $<TARGET_FILE:hone_probe>
        $<TARGET_FILE_DIR:hone_module_${module}> WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${prefix}modules.${subject} PROPERTIES SKIP_RETURN_CODE 77 LABELS modules)
    if(ARGN)
        set_property(TEST ${prefix}modules.${subject} PROPERTY ENVIRONMENT "${environment};LD_LIBRARY_PATH=${ARGN}")
    endif()
endfunction()

if(TARGET hone_module_cblas)
    set(stand_ins ${CMAKE_CURRENT_BINARY_DIR}/modules/stand_ins)
    add_library(stand_in_mkl SHARED modules/stand_in_mkl.c)
    set_target_properties(stand_in_mkl PROPERTIES OUTPUT_NAME mkl_rt SOVERSION 2
        LIBRARY_OUTPUT_DIRECTORY ${stand_ins} C_STANDARD 17)
    foreach(major IN ITEMS 2 3)
        add_library(stand_in_dnnl${major} SHARED modules/stand_in_dnnl.c)
        set_target_properties(stand_in_dnnl${major} PROPERTIES OUTPUT_NAME dnnl SUFFIX .so.${major}
            LIBRARY_OUTPUT_DIRECTORY ${stand_ins} C_STANDARD 17)
        target_compile_definitions(stand_in_dnnl${major} PRIVATE MAJOR=${major})
        target_link_libraries(stand_in_dnnl${major} PRIVATE m)
    endforeach()

    foreach(module IN ITEMS cblas onednn xsmm)
        add_executable(test_modules_${module} modules/test_${module}.c modules/rows.c)
        hone_compiles(test_modules_${module})
        target_compile_definitions(test_modules_${module} PRIVATE HONE_TEST_SHARE=${HONE_TEST_SHARE})
        set_target_properties(test_modules_${module} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/modules OUTPUT_NAME test_${module})
        target_link_libraries(test_modules_${module} PRIVATE hone_tuner PkgConfig::HONE_CMOCKA)
        add_dependencies(test_modules_${module} hone_probe hone_module_${module} stand_in_mkl stand_in_dnnl2
            stand_in_dnnl3)
    endforeach()
    rows_test(cblas cblas cblas ${stand_ins})
    rows_test(xsmm xsmm xsmm)
    rows_test(onednn onednn onednn)
    rows_test(onednn_stand_in onednn onednn ${stand_ins})
endif()

# What `hone doctor` says of each of them: a copy of the program, with planted modules where it looks for its own.
if(TARGET hone_cli)
    set(say "exec sh ${CMAKE_CURRENT_SOURCE_DIR}/modules/doctor.sh --each ${PROJECT_BINARY_DIR} ${folder}")
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/modules/doctor
        "#!/bin/sh\n# One after the other: all ways, or those named.\n${say} ${module_abi} \"$@\"\n")
    add_test(NAME ${prefix}modules.doctor COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/modules/doctor.sh --all
        ${PROJECT_BINARY_DIR} ${folder} ${module_abi})
    set_tests_properties(${prefix}modules.doctor PROPERTIES SKIP_RETURN_CODE 77 LABELS modules)
    if(TARGET hone_module_onednn)
        add_test(NAME ${prefix}modules.bench_again COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/modules/bench_again.sh
            $<TARGET_FILE:hone_cli> ${stand_ins})
        set_tests_properties(${prefix}modules.bench_again PROPERTIES SKIP_RETURN_CODE 77 LABELS modules)
    endif()
endif()
