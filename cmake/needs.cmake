# What the library stands on: threads, libm, hwloc (where things sit), jansson (JSON), and xxHash, of which only
# the header is used (compiled in, nothing to link). What is missing is named with the command that brings it.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(HONE_HWLOC   IMPORTED_TARGET GLOBAL hwloc>=2.9)
pkg_check_modules(HONE_JANSSON IMPORTED_TARGET GLOBAL jansson>=2.13)
find_path(HONE_XXHASH_INCLUDE xxhash.h DOC "folder of xxhash.h")
mark_as_advanced(HONE_XXHASH_INCLUDE)

set(missing "")
if(NOT HONE_HWLOC_FOUND)
    list(APPEND missing libhwloc-dev)
endif()
if(NOT HONE_JANSSON_FOUND)
    list(APPEND missing libjansson-dev)
endif()
if(NOT HONE_XXHASH_INCLUDE)
    list(APPEND missing libxxhash-dev)
endif()
if(missing)
    list(JOIN missing " " missing)
    message(FATAL_ERROR "hone needs libraries that are not here. On Debian and Ubuntu:\n"
        "    apt-get install ${missing}\nor let scripts/setup install all that hone can use.")
endif()

add_library(hone_needs INTERFACE)
target_link_libraries(hone_needs INTERFACE
    PkgConfig::HONE_HWLOC PkgConfig::HONE_JANSSON Threads::Threads m ${CMAKE_DL_LIBS})
target_compile_definitions(hone_needs INTERFACE XXH_INLINE_ALL)
if(NOT HONE_XXHASH_INCLUDE IN_LIST CMAKE_C_IMPLICIT_INCLUDE_DIRECTORIES)
    target_include_directories(hone_needs SYSTEM INTERFACE ${HONE_XXHASH_INCLUDE})
endif()
