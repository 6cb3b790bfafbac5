/* SPDX-License-Identifier: MIT */
/*
 * Kills a process at a moment that is counted, not timed: at the nth system call by which it
 * talks to a socket (before it, or behind it), or at the nth instruction on a message's way.
 *
 *     stepper PID calls N          each sendmsg, recvmsg, sendto and recvfrom counts twice
 *     stepper PID steps N BYTES    from the first recvfrom that got so many bytes until the same
 *                                  thread waits again
 *     stepper PID steps N BYTES AT only in the function that begins at this address, whenever it is
 *                                  called on that way
 *
 * It says "ready" when it holds all threads; then "killed N", or "through N" when the way is done
 * or SIGTERM says that it is, after N; the process then goes on alone. With 0 it kills at none. For
 * x86-64.
 */
#include <errno.h>
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of linux/ptrace.h, which cannot be included beside sys/ptrace.h. */
enum { ENTRY = 1, EXIT = 2, EVENT_STOP = 128, THREADS_MAX = 256, NO_CALL = -1 };

struct call_info {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t instruction, stack;
    union {
        struct {
            uint64_t number, arguments[6];
        } entry;
        struct {
            int64_t value;
            uint8_t is_error;
        } exit;
    };
};

struct thread {
    pid_t id; /* 0: none */
    long call;
    bool held; /* it stopped once, and goes from call to call */
};

struct stepper {
    pid_t pid;
    bool steps;
    unsigned long at, count;
    int64_t bytes;
    struct thread threads[THREADS_MAX];
    pid_t hunted;   /* the thread that got them; 0: none yet */
    pid_t stepped;  /* it goes by single steps; 0: none does */
    uint64_t part;  /* the address of the function; 0: all of the way */
    long there;     /* what stands where the breakpoint is */
    uint64_t stack; /* when it was called */
    bool ready;
};

static volatile sig_atomic_t over;

static void on_term(int number)
{
    over = number;
}

static void say(const char *word, unsigned long count)
{
    printf(count || strcmp(word, "ready") ? "%s %lu\n" : "%s\n", word, count);
    fflush(stdout);
}

static struct thread *thread_of(struct stepper *s, pid_t id)
{
    struct thread *empty = NULL;

    for (size_t i = 0; i < THREADS_MAX; i++) {
        if (s->threads[i].id == id)
            return &s->threads[i];
        if (!s->threads[i].id && !empty)
            empty = &s->threads[i];
    }
    if (!empty)
        abort();
    *empty = (struct thread){.id = id, .call = NO_CALL};
    return empty;
}

static bool hold_all(struct stepper *s)
{
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
    char path[64];
    DIR *tasks;

    snprintf(path, sizeof path, "/proc/%d/task", (int)s->pid);
    if (!(tasks = opendir(path)))
        return false;
    for (struct dirent *one; (one = readdir(tasks));) {
        pid_t id = atoi(one->d_name);

        if (!id)
            continue;
        if (ptrace(PTRACE_SEIZE, id, 0, options) < 0 || ptrace(PTRACE_INTERRUPT, id, 0, 0) < 0) {
            closedir(tasks);
            return false;
        }
        (void)thread_of(s, id);
    }
    closedir(tasks);
    return true;
}

/* One more of what is counted. True: there it dies. */
static bool dies_here(struct stepper *s)
{
    if (++s->count != s->at)
        return false;
    kill(s->pid, SIGKILL);
    say("killed", s->count);
    return true;
}

static bool talks(long call)
{
    return call == SYS_sendmsg || call == SYS_recvmsg || call == SYS_sendto || call == SYS_recvfrom;
}

static bool is_wait(long call)
{
    return call == SYS_epoll_wait || call == SYS_epoll_pwait;
}

/* The breakpoint at the part that is of interest. Nobody else is busy. */
static void mark(struct stepper *s, bool on)
{
    const long trap = 0xcc;

    if (!s->part)
        return;
    if (on)
        s->there = ptrace(PTRACE_PEEKTEXT, s->hunted, s->part, 0);
    ptrace(PTRACE_POKETEXT, s->hunted, s->part, on ? (s->there & ~0xffL) | trap : s->there);
}

/* That thread is to be followed. On one processor its steps take a third of the time. */
static void hunt(struct stepper *s, pid_t id)
{
    cpu_set_t here;

    s->hunted = id;
    if (s->part)
        mark(s, true);
    else
        s->stepped = id;
    CPU_ZERO(&here);
    CPU_SET((size_t)sched_getcpu(), &here);
    (void)sched_setaffinity(0, sizeof here, &here);
    (void)sched_setaffinity(id, sizeof here, &here);
}

/* True: it is over. */
static bool on_call(struct stepper *s, struct thread *t)
{
    struct call_info info = {0};
    long call = t->call;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, t->id, sizeof info, &info) <= 0)
        return false;
    t->call = info.op == ENTRY ? (long)info.entry.number : NO_CALL;
    if (info.op == ENTRY)
        call = t->call;
    if (!s->steps)
        return talks(call) && dies_here(s);
    if (!s->hunted && info.op == EXIT && call == SYS_recvfrom && !info.exit.is_error &&
        info.exit.value >= s->bytes)
        hunt(s, t->id);
    if (s->hunted != t->id || info.op != ENTRY || !is_wait(call))
        return false;
    mark(s, false);
    say("through", s->count);
    return true;
}

static uint64_t reg(pid_t id, size_t at)
{
    return (uint64_t)ptrace(PTRACE_PEEKUSER, id, at, 0);
}

/* It stands at the instruction that would make it wait for what comes next. */
static bool waits_next(pid_t id)
{
    const long syscall_code = 0x050f;

    return is_wait((long)reg(id, offsetof(struct user_regs_struct, rax))) &&
           (ptrace(PTRACE_PEEKTEXT, id, reg(id, offsetof(struct user_regs_struct, rip)), 0) &
            0xffff) == syscall_code;
}

/* True: it is over. */
static bool on_step(struct stepper *s, struct thread *t)
{
    if (s->part && reg(t->id, offsetof(struct user_regs_struct, rsp)) > s->stack) {
        s->stepped = 0; /* it has returned, and may come again */
        mark(s, true);
        return false;
    }
    if (s->part || !waits_next(t->id))
        return dies_here(s);
    ptrace(PTRACE_DETACH, t->id, 0, 0); /* or it would be hit by the trap of its next step */
    say("through", s->count);
    return true;
}

/* It stands behind the breakpoint. */
static void on_mark(struct stepper *s, struct thread *t)
{
    mark(s, false);
    ptrace(PTRACE_POKEUSER, t->id, offsetof(struct user_regs_struct, rip), s->part);
    s->stack = reg(t->id, offsetof(struct user_regs_struct, rsp));
    s->stepped = t->id;
}

static bool all_held(const struct stepper *s)
{
    for (size_t i = 0; i < THREADS_MAX; i++)
        if (s->threads[i].id && !s->threads[i].held)
            return false;
    return true;
}

/* True: it is over. */
static bool on_stop(struct stepper *s, struct thread *t, int status)
{
    int number = WSTOPSIG(status), deliver = 0;
    bool over_now = false;

    t->held = true;
    if (number == (SIGTRAP | 0x80))
        over_now = on_call(s, t);
    else if (number == SIGTRAP && !(status >> 16) && s->stepped == t->id)
        over_now = on_step(s, t);
    else if (number == SIGTRAP && !(status >> 16) && s->hunted == t->id)
        on_mark(s, t);
    else if (!(status >> 16))
        deliver = number;
    if (over_now)
        return true;
    if (!s->ready && all_held(s)) {
        s->ready = true;
        say("ready", 0);
    }
    ptrace(s->stepped == t->id ? PTRACE_SINGLESTEP : PTRACE_SYSCALL, t->id, 0, deliver);
    return false;
}

static int run(struct stepper *s)
{
    while (!over) {
        int status;
        pid_t id = waitpid(-1, &status, __WALL);

        if (id < 0 && errno == EINTR)
            continue;
        if (id < 0)
            return 1; /* it is gone, and not through us */
        struct thread *t = thread_of(s, id);

        if (!WIFSTOPPED(status))
            t->id = 0;
        else if (on_stop(s, t, status))
            return 0;
    }
    say("through", s->count);
    return 0;
}

int main(int argc, char **argv)
{
    struct stepper s = {0};
    struct sigaction action = {.sa_handler = on_term};

    if (argc < 4)
        return 2;
    s.pid = atoi(argv[1]);
    s.steps = !strcmp(argv[2], "steps");
    s.at = strtoul(argv[3], NULL, 10);
    s.bytes = argc > 4 ? atoi(argv[4]) : 1;
    s.part = argc > 5 ? strtoull(argv[5], NULL, 0) : 0;
    sigaction(SIGTERM, &action, NULL);
    if (!hold_all(&s)) {
        perror("stepper");
        return 1;
    }
    return run(&s);
}
