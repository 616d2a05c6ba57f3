# How hone is compiled. No -march=native (one binary serves many machines) and no -ffast-math (it would change
# what the host program computes); what is left out of strict IEEE, and why, stands here.

# hone_compiles(<target>): the dialect, the warnings and the include roots that all of hone's C shares.
function(hone_compiles target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 17 C_STANDARD_REQUIRED ON C_EXTENSIONS ON
        CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
    # HONE_ASSERT looks in development builds alone; HONE_CHECK, what callers are told, is always there.
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE $<$<CONFIG:Debug,RelWithDebInfo>:HONE_ASSERTS>)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
    target_compile_options(${target} PRIVATE
        -Wall -Wextra -Wshadow -Wvla
        $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
        $<$<BOOL:${HONE_WERROR}>:-Werror>)
    if(HONE_SANITIZE)
        target_compile_options(${target} PRIVATE
            -fsanitize=${HONE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
        target_link_options(${target} PUBLIC -fsanitize=${HONE_SANITIZE})
    endif()
endfunction()

# hone_library_flags(<target>): for the floors of the library itself.
#   -ffp-contract=off     the source says where an fma is; the compiler adds none, so bits agree between compilers
#   -fno-math-errno       sqrt and friends become instructions; nobody reads errno after them
#   -fno-trapping-math    no caller of ours unmasks floating-point exceptions: comparisons may be vectorised
function(hone_library_flags target)
    set_target_properties(${target} PROPERTIES
        POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
    target_compile_options(${target} PRIVATE -ffp-contract=off -fno-math-errno -fno-trapping-math)
endfunction()
