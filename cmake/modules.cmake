# Modules: other people's libraries as kernels, each a shared object of its own that is found when hone runs
# (runtime/modules.h), and hone-probe, which tries them first. The build tree lies as an installation does, so that
# what is found in one is found in the other. None of them links hone, or the library it offers.
file(STRINGS kernels/module.h line REGEX "^#define HONE_MODULE_ABI ")
string(REGEX REPLACE "[^0-9]" "" module_abi "${line}")
set(modules_in_libdir hone/modules-${module_abi})
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY ${CMAKE_INSTALL_FULL_BINDIR}
    OUTPUT_VARIABLE libdir_from_bindir)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBEXECDIR BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}
    OUTPUT_VARIABLE libexecdir_from_libdir)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBEXECDIR BASE_DIRECTORY ${CMAKE_INSTALL_FULL_BINDIR}
    OUTPUT_VARIABLE libexecdir_from_bindir)

cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBEXECDIR}/hone
    OUTPUT_VARIABLE libdir_from_libexec)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_DATADIR BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}
    OUTPUT_VARIABLE datadir_from_libdir)

set_source_files_properties(runtime/modules.c TARGET_DIRECTORY hone_objects PROPERTIES COMPILE_DEFINITIONS
    "HONE_LIBDIR=\"${CMAKE_INSTALL_FULL_LIBDIR}\";HONE_MODULES_IN_LIBDIR=\"${modules_in_libdir}\";\
HONE_LIBDIR_FROM_BINDIR=\"${libdir_from_bindir}\";\
HONE_LIBDIR_FROM_LIBEXEC=\"${libdir_from_libexec}\";\
HONE_LIBEXEC=\"${CMAKE_INSTALL_FULL_LIBEXECDIR}/hone\";\
HONE_LIBEXEC_FROM_LIBDIR=\"${libexecdir_from_libdir}/hone\";\
HONE_LIBEXEC_FROM_BINDIR=\"${libexecdir_from_bindir}/hone\";\
HONE_DATADIR=\"${CMAKE_INSTALL_FULL_DATADIR}\";\
HONE_DATADIR_FROM_LIBDIR=\"${datadir_from_libdir}\";\
HONE_PROBE_FROM_LIBDIR=\"${libexecdir_from_libdir}/hone/hone-probe\"")

set(HONE_MODULES_BUILT ${PROJECT_BINARY_DIR}/bin/${libdir_from_bindir}/${modules_in_libdir})
cmake_path(NORMAL_PATH HONE_MODULES_BUILT)
cmake_path(SET HONE_PROBE_FOLDER NORMALIZE ${HONE_MODULES_BUILT}/../../${libexecdir_from_libdir}/hone)

# hone_module(<name> <file>...): hone_<name>.so, which exports hone_module_open and nothing else.
function(hone_module name)
    set(target hone_module_${name})
    set(map ${PROJECT_SOURCE_DIR}/cmake/module.map)
    add_library(${target} MODULE ${ARGN})
    hone_compiles(${target})
    hone_library_flags(${target})
    set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME hone_${name} LINK_DEPENDS ${map})
    target_link_options(${target} PRIVATE -Wl,--version-script=${map})
    if(NOT HONE_SANITIZE)
        target_link_options(${target} PRIVATE -Wl,--no-undefined)
    endif()
    target_link_libraries(${target} PRIVATE Threads::Threads m ${CMAKE_DL_LIBS})
endfunction()

add_executable(hone_probe EXCLUDE_FROM_ALL runtime/probe/hone_probe.c)
block()
    set(HONE_SANITIZE "")                        # a sanitizer would answer for a module's crash
    hone_compiles(hone_probe)
endblock()
set_target_properties(hone_probe PROPERTIES OUTPUT_NAME hone-probe RUNTIME_OUTPUT_DIRECTORY ${HONE_PROBE_FOLDER})
target_link_libraries(hone_probe PRIVATE ${CMAKE_DL_LIBS})

set(HONE_MODULES "")
if(HONE_BUILD_MODULES AND NOT HONE_SANITIZE)     # vendor libraries are not built for sanitizers
    set(shared kernels/matmul/blas.c kernels/matmul/frame.c base/dtype.c)
    hone_module(cblas kernels/matmul/cblas.c kernels/matmul/cblas_found.c ${shared})
    hone_module(onednn kernels/matmul/onednn.c kernels/matmul/onednn_found.c kernels/matmul/onednn_shim.c
        kernels/matmul/onednn_threads.c ${shared})
    hone_module(xsmm kernels/matmul/xsmm.c ${shared})
    list(APPEND HONE_MODULES hone_module_cblas hone_module_onednn hone_module_xsmm)
    # LIBXSMM comes as archives in most systems, so it becomes part of its module. What it would do when the process
    # ends, and to the environment, is not (xsmm.c).
    find_library(HONE_XSMM NAMES libxsmm.a DOC "LIBXSMM, an archive")
    find_library(HONE_XSMM_NO_BLAS NAMES libxsmmnoblas.a DOC "what stands for a BLAS in LIBXSMM")
    find_file(HONE_XSMM_VERSION_FILE libxsmm_version.h DOC "which LIBXSMM it is")
    mark_as_advanced(HONE_XSMM HONE_XSMM_NO_BLAS HONE_XSMM_VERSION_FILE)
    if(HONE_XSMM AND HONE_XSMM_NO_BLAS AND HONE_XSMM_VERSION_FILE)
        file(STRINGS ${HONE_XSMM_VERSION_FILE} line REGEX "CONFIG_VERSION \"")
        string(REGEX REPLACE "[^\"]*\"([^\"-]*).*" "\\1" version "${line}")
        if(version VERSION_GREATER_EQUAL 1.10 AND version VERSION_LESS 2)
            target_compile_definitions(hone_module_xsmm PRIVATE HONE_XSMM_VERSION="${version}")
            target_link_libraries(hone_module_xsmm PRIVATE ${HONE_XSMM} ${HONE_XSMM_NO_BLAS} m ${CMAKE_DL_LIBS})
            target_link_options(hone_module_xsmm PRIVATE -Wl,--wrap=atexit -Wl,--wrap=putenv)
        endif()
    endif()
    set_target_properties(hone_probe PROPERTIES EXCLUDE_FROM_ALL OFF)
    set_target_properties(${HONE_MODULES} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${HONE_MODULES_BUILT})
    # libhone.so lies at the top of the build tree, and looks beside itself.
    cmake_path(SET beside NORMALIZE ${HONE_MODULES_BUILT}/..)
    file(MAKE_DIRECTORY ${HONE_MODULES_BUILT})
    if(NOT EXISTS ${PROJECT_BINARY_DIR}/hone)
        file(CREATE_LINK ${beside} ${PROJECT_BINARY_DIR}/hone SYMBOLIC)
    endif()
endif()
