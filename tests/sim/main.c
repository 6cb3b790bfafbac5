/* SPDX-License-Identifier: MIT */
/*
 *     sim [--lives N] [--first SEED] [--seed SEED] [--jobs N] [--trace]
 *
 * Lives from one seed on, shared by some processes. A life that fails says its seed and
 * what was violated; --seed lives that one alone, and --trace says all that happens in it.
 */
#include "tests/sim/life.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LIVES = 100000,
    FULL = 5000, /* so many lives, and nothing may never have happened */
    JOBS_MAX = 64,
    FAILED_MAX = 3, /* of one job, which then stops */
};

struct options {
    uint64_t lives, first;
    unsigned jobs;
    bool tracing;
};

struct result { /* shared with the jobs */
    struct figures figures;
    uint64_t passed, failed;
};

/* --- crashes --- */

static void say_seed(void)
{
    char text[64];
    int len = snprintf(text, sizeof text, "seed %" PRIu64 ": crashed\n", life_seed);

    (void)!write(STDERR_FILENO, text, (size_t)len);
}

static void crashed(int)
{
    say_seed();
    _exit(2);
}

#if defined(__SANITIZE_ADDRESS__)
void __sanitizer_set_death_callback(void (*callback)(void));
#endif

static void watch_for_crashes(void)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_set_death_callback(say_seed);
    signal(SIGABRT, crashed);
#else
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], crashed);
#endif
}

/* --- jobs --- */

static void work(const struct options *o, unsigned job, struct result *result)
{
    struct world *w = life_world();

    watch_for_crashes();
    for (uint64_t i = job; i < o->lives && result->failed < FAILED_MAX; i += o->jobs) {
        if (life_lives(w, o->first + i, o->tracing))
            result->passed++;
        else
            result->failed++;
    }
    result->figures = *w->figures;
    life_world_free(w);
}

static struct result run(const struct options *o)
{
    struct result sum = {0};
    struct result *results = mmap(NULL, o->jobs * sizeof *results, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t children[JOBS_MAX];

    if (results == MAP_FAILED)
        abort();
    fflush(stdout);
    for (unsigned i = 0; i < o->jobs; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            work(o, i, &results[i]);
            exit(0);
        }
        if (children[i] < 0)
            abort();
    }
    for (unsigned i = 0; i < o->jobs; i++) {
        int status;

        while (waitpid(children[i], &status, 0) < 0 && errno == EINTR)
            ;
        if (status)
            results[i].failed++;
        figures_add(&sum.figures, &results[i].figures);
        sum.passed += results[i].passed;
        sum.failed += results[i].failed;
    }
    munmap(results, o->jobs * sizeof *results);
    return sum;
}

/* --- the command line --- */

static void usage(void)
{
    fprintf(stderr, "usage: sim [--lives N] [--first SEED] [--seed SEED] [--jobs N] [--trace]\n");
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t n = text ? strtoull(text, &end, 10) : 0;

    if (!text || *end || end == text)
        usage();
    return n;
}

static struct options read_options(char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct options o = {.lives = LIVES, .first = 1, .jobs = cores > 0 ? (unsigned)cores : 1};

    while (*++argv) {
        if (!strcmp(*argv, "--trace")) {
            o.tracing = true;
        } else if (!strcmp(*argv, "--lives")) {
            o.lives = number(*++argv);
        } else if (!strcmp(*argv, "--first")) {
            o.first = number(*++argv);
        } else if (!strcmp(*argv, "--jobs")) {
            o.jobs = (unsigned)number(*++argv);
        } else if (!strcmp(*argv, "--seed")) {
            o.first = number(*++argv);
            o.lives = 1;
        } else {
            usage();
        }
    }
    if (o.jobs > o.lives)
        o.jobs = (unsigned)o.lives;
    if (o.jobs > JOBS_MAX)
        o.jobs = JOBS_MAX;
    if (!o.jobs)
        usage();
    return o;
}

int main(int, char **argv)
{
    struct options o = read_options(argv);
    struct result sum = run(&o);
    unsigned missing = o.lives > 1 ? figures_print(&sum.figures) : 0;

    if (!sum.failed && o.lives >= FULL && missing) {
        printf("%u things never happened\n", missing);
        sum.failed++;
    }
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", sum.passed, sum.failed);
    return sum.failed ? 1 : 0;
}
