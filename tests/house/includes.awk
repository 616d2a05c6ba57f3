# includes.awk: reads sources (paths from the root of the house) and names every include that points up.
#
# `floor` is the room a file is in; rules[floor] are the beginnings that "..." and <hone/...> may have there, sdk[floor]
# those that other <...> may have beyond the C library and POSIX. Visitors (cli, bench, tests, examples) may include
# anything. An include is written from the root; one that a macro makes cannot be read by anyone, so it is refused.
BEGIN {
    rules["include/hone"] = "hone/"
    rules["base"]         = "hone/ base/"
    rules["backends"]     = "hone/ base/ backends/backend.h OWN/"
    rules["kernels"]      = "hone/ base/ backends/backend.h kernels/ PEER/"
    rules["runtime"]      = "hone/ base/ backends/ kernels/ runtime/"
    rules["tuner"]        = "hone/ base/ backends/ kernels/ runtime/ tuner/"
    rules["trainer"]      = "hone/ honetrain/ base/ trainer/"

    # A room that is missing here takes no SDK. What the compiler knows of the silicon is for the floors that use it.
    silicon = "immintrin.h x86intrin.h cpuid.h arm_neon.h arm_sve.h arm_acle.h"
    sdk["base"]            = "jansson.h xxhash.h " silicon
    sdk["backends/cpu"]    = "hwloc.h hwloc/ " silicon
    sdk["backends/opencl"] = "CL/"
    sdk["backends/cuda"]   = "cuda.h nvrtc.h"
    sdk["kernels"]         = "oneapi/ dnnl.h cblas.h libxsmm.h clblast_c.h CL/ cuda.h cublasLt.h cudnn.h " silicon
    sdk["runtime"]         = "jansson.h"
    sdk["tuner"]           = "jansson.h zstd.h " silicon

    # Public headers may use the C library; the floors POSIX and Linux as well.
    c_library = " assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h locale.h math.h" \
                " setjmp.h signal.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h" \
                " stdnoreturn.h string.h tgmath.h threads.h time.h uchar.h wchar.h wctype.h "
    posix     = " dirent.h dlfcn.h elf.h fcntl.h libgen.h link.h malloc.h poll.h pthread.h pwd.h sched.h semaphore.h" \
                " spawn.h strings.h sys/ syslog.h termios.h unistd.h ucontext.h linux/ asm/ "
}

function begins(name, list,    i, n, item) {
    n = split(list, item, " ")
    for (i = 1; i <= n; i++)
        if (item[i] ~ /\/$/ ? index(name, item[i]) == 1 : name == item[i]) return 1
    return 0
}

function refuse(why) {
    printf "%s:%d: %s\n", path, FNR, why
    bad++
}

FNR == 1 {
    path = FILENAME
    sub(/^\.\//, "", path)
    split(path, part, "/")
    room = part[1] == "include" ? part[1] "/" part[2] : part[1]
    inner = room "/" part[2]
    files++
}

/^[ \t]*#[ \t]*include/ && (room in rules) {
    arrows++
    line = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", line)
    mark = substr(line, 1, 1)
    if (mark != "\"" && mark != "<") {
        refuse("an include that a macro makes: " line)
        next
    }
    name = substr(line, 2)
    sub(/[">].*/, "", name)

    if (name ~ /\.\./) { refuse("\"" name "\" climbs by .., write it from the root"); next }
    allowed = rules[room]
    gsub(/OWN\//, inner "/", allowed)
    gsub(/PEER\//, "backends/" backend_of(path) "/", allowed)
    if (begins(name, allowed)) next

    if (mark == "<") {
        if (index(c_library, " " name " ")) next
        if (room != "include/hone" && begins(name, posix)) next
        if (begins(name, sdk[room] " " sdk[inner])) next
        if (room == "backends" && !(inner in sdk)) next         # a workshop not named above keeps its own SDK
        own = sdk[room] sdk[inner]
        refuse("<" name "> is not for " room "/, which may use the C library" (own == "" ? "" : " and " own))
    } else {
        refuse("\"" name "\" points up or aside: " room "/ may include " allowed)
    }
}

# The backend that a kernel file runs on: cuda and opencl say so in their name or suffix, all others run on the CPU.
function backend_of(path) {
    if (path ~ /cuda|\.cu$/)   return "cuda"
    if (path ~ /opencl|\.cl$/) return "opencl"
    return "cpu"
}

END {
    if (bad) exit 1
    printf "%d files, %d includes, every arrow points down\n", files, arrows
}
