# Instruction sets: which files are compiled for which. Only these files may use more than the base of the
# architecture, and the library enters them only after asking the CPU.

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
    set(HONE_ISAS portable avx2 avx512)
else()
    set(HONE_ISAS portable)
endif()
set(HONE_ISA_OPTIONS_portable "")
set(HONE_ISA_OPTIONS_avx2     -mavx2 -mfma -mf16c)
set(HONE_ISA_OPTIONS_avx512   -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512)

# Unrolled micro-kernels are minutes of compiling under AddressSanitizer and UBSan together. There they are compiled
# with less optimisation, each access checked by a call, and without those checks of UBSan that repeat, for every
# access, what AddressSanitizer says of it: a ninth of the time.
set(HONE_ISA_SANITIZED "")
if(HONE_SANITIZE MATCHES "address" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    set(HONE_ISA_SANITIZED -O1 --param=asan-instrumentation-with-call-threshold=0
        -fno-sanitize=null,alignment,pointer-overflow,object-size)
endif()

# What a micro-kernel unrolls and keeps in registers its text says itself: -O3 makes it a fifth longer and takes a third
# more time to do so, and no figure better.
set(HONE_ISA_RELEASE $<$<CONFIG:Release>:-O2>)

# hone_isa_sources(<isa> <file>...): adds the files to the library, compiled for that instruction set;
# where the architecture has no such set they are left out.
function(hone_isa_sources isa)
    if(NOT DEFINED HONE_ISA_OPTIONS_${isa})
        message(FATAL_ERROR "hone_isa_sources: no instruction set is called '${isa}'; see cmake/isa.cmake")
    endif()
    if(NOT isa IN_LIST HONE_ISAS)
        return()
    endif()
    target_sources(hone_objects PRIVATE ${ARGN})
    set_source_files_properties(${ARGN} TARGET_DIRECTORY hone_objects
        PROPERTIES COMPILE_OPTIONS "${HONE_ISA_OPTIONS_${isa}};${HONE_ISA_RELEASE};${HONE_ISA_SANITIZED}")
endfunction()

# hone_isa_extends(<isa> <file> <option>...): such a file is compiled for an extension of that set too.
function(hone_isa_extends isa file)
    if(isa IN_LIST HONE_ISAS)
        set_property(SOURCE ${file} TARGET_DIRECTORY hone_objects APPEND PROPERTY COMPILE_OPTIONS ${ARGN})
    endif()
endfunction()
