/* SPDX-License-Identifier: MIT */
/*
 * The keeper: whoever holds descriptors for this process while it is dead, and hands
 * them to the next one. systemd's descriptor store or `holdfast --keep`; both speak the
 * protocol of sd_notify, and nothing here knows which one it is.
 *
 * A keeper takes in silence, and drops in silence what it has no room for. So whoever
 * needs to know asks for a proof, and waits for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { KEEPER_NAME = 32 }; /* bytes of a name, with its zero */

/* --- what it hands us --- */

struct keeper_gift {
    const char *name; /* the gifts' */
    int fd;           /* -1: it was taken */
};

struct keeper_gifts {
    struct keeper_gift *at;
    size_t count;
    char **names; /* of sd_listen_fds_with_names. Owned */
};

/* All descriptors whose name begins with `prefix`, close-on-exec; the others (listening sockets)
 * are left as they are. Once in a process. 0 or -errno. */
[[nodiscard]] int keeper_gifts(struct keeper_gifts *out, const char *prefix);
/* The first that is named so, to be the caller's; -1: none. */
[[nodiscard]] int keeper_take(struct keeper_gifts *gifts, const char *name);
void keeper_gifts_clear(struct keeper_gifts *gifts); /* closes what nobody took */

/* --- what we give it --- */

/* True if there is somebody to give anything to. */
[[nodiscard]] bool keeper_there(void);

/* Hands it duplicates under that name, to be kept until keeper_drop whatever happens on them. 0, or
 * -errno: they could not be sent. */
[[nodiscard]] int keeper_keep(const char *name, const int *fds, unsigned count);
/* Everything under that name goes. */
[[nodiscard]] int keeper_drop(const char *name);

/* That all that was handed over before was kept. */
struct keeper_proof {
    int done; /* becomes readable when it can be told: then keeper_proven. -1: none */
    int kept; /* hangs up when nobody has `mine` any more */
    int mine;
    char name[KEEPER_NAME];
};

/* 0 or -errno; then nothing is left open. */
[[nodiscard]] int keeper_prove(struct keeper_proof *out);
/* True: it was kept. Ends the proof. */
[[nodiscard]] bool keeper_proven(struct keeper_proof *proof);
/* True of the name of a proof, which is of no use to another process. */
[[nodiscard]] bool keeper_is_proof(const char *name);
void keeper_proof_clear(struct keeper_proof *proof); /* NONE is allowed */
