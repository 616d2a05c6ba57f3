# The library as users get it: libhone.so.0 with a version script, libhone.a, and for our own programs
# hone_inside, which also reaches what is hidden.

add_library(hone SHARED $<TARGET_OBJECTS:hone_objects>)
add_library(hone_static STATIC $<TARGET_OBJECTS:hone_objects>)
add_library(hone::hone ALIAS hone)
add_library(hone::hone_static ALIAS hone_static)

set(map ${PROJECT_SOURCE_DIR}/cmake/hone.map)
set_target_properties(hone PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION ${number_ABI_VERSION} LINK_DEPENDS ${map})
target_link_options(hone PRIVATE -Wl,--version-script=${map})
if(NOT HONE_SANITIZE)                       # a sanitizer's runtime is found only when the program starts
    target_link_options(hone PRIVATE -Wl,--no-undefined)
else()
    target_link_options(hone PRIVATE -fsanitize=${HONE_SANITIZE})
    target_link_options(hone_static INTERFACE $<BUILD_INTERFACE:-fsanitize=${HONE_SANITIZE}>)
endif()
set_target_properties(hone_static PROPERTIES OUTPUT_NAME hone)

foreach(library IN ITEMS hone hone_static)
    set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C)
    target_include_directories(${library} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${library} PRIVATE
        PkgConfig::HONE_HWLOC PkgConfig::HONE_JANSSON Threads::Threads m ${CMAKE_DL_LIBS})
endforeach()

add_library(hone_inside INTERFACE)
target_link_libraries(hone_inside INTERFACE hone_static hone_needs)
target_include_directories(hone_inside INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
