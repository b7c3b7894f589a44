/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy.h - the public interface of libchoppy: programs in network
 * namespaces of their own, behind links as bad as asked.
 *
 * Values (conditions, counters, specifications) are open structs that the
 * caller owns and may copy. Nothing in this library prints or exits. Functions
 * return 0 or a negative errno and, on failure, fill the caller's struct
 * choppy_err (which may be NULL); outputs are not touched on failure.
 *
 * Units are in the names: _ns nanoseconds, _bps bits per second, _ppb parts
 * per thousand million (1e-9), so every value a user can write is held exactly.
 */
#ifndef CHOPPY_H
#define CHOPPY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHOPPY_API __attribute__((visibility("default")))

#define CHOPPY_NAME_MAX 31 /* longest lab name, without the NUL */
#define CHOPPY_MAX_PUBLISH 32 /* most published ports of one lab */
#define CHOPPY_NOTES_MAX 8 /* most remarks kept with a lab */
#define CHOPPY_NOTE_MAX 1024 /* longest remark, with its NUL */

/* Exit statuses beside the program's own, as env(1) and timeout(1) use them. */
enum choppy_exit {
	CHOPPY_EXIT_USAGE = 2, /* the command line is wrong */
	CHOPPY_EXIT_CANNOT = 77, /* this machine cannot do it */
	CHOPPY_EXIT_FAILED = 125, /* choppy itself failed */
	CHOPPY_EXIT_NOEXEC = 126, /* the program cannot be executed */
	CHOPPY_EXIT_NOTFOUND = 127, /* the program was not found */
};

/* ------------------------------------------------------------------ errors */

/*
 * What went wrong, in words, with the kernel's own where it gave any.
 * @code is a negative errno; @msg is one line (only a condition error has more:
 * the words again with a caret under the one that is wrong).
 * @cannot: the machine, not the request, is the reason (exit status 77).
 */
struct choppy_err {
	int code;
	bool cannot;
	char msg[1024];
};

/* -------------------------------------------------------------- conditions */

/* A direction of a link, as seen from the node. */
enum choppy_dir {
	CHOPPY_UP, /* from the node to its gateway */
	CHOPPY_DOWN, /* from the gateway to the node */
	CHOPPY_NDIRS,
};
#define CHOPPY_DIR_BIT(d) (1u << (d))
#define CHOPPY_BOTH (CHOPPY_DIR_BIT(CHOPPY_UP) | CHOPPY_DIR_BIT(CHOPPY_DOWN))

enum choppy_field {
	CHOPPY_DELAY,
	CHOPPY_JITTER,
	CHOPPY_LOSS,
	CHOPPY_RATE,
	CHOPPY_LIMIT,
	CHOPPY_NFIELDS,
};
#define CHOPPY_FIELD_BIT(f) (1ull << (f))

/* The unit of an amount that may be counted in more than one. */
enum choppy_unit {
	CHOPPY_PACKETS,
	CHOPPY_BYTES,
	CHOPPY_NANOSECONDS,
	CHOPPY_NUNITS,
};

struct choppy_amount {
	uint64_t n;
	uint32_t unit; /* enum choppy_unit */
	uint32_t zero; /* padding, 0 */
};

/*
 * What one direction does to its packets. A field counts only when its bit is
 * in @set, so one struct is a full state, a change, or a read-back.
 */
struct choppy_condition {
	uint64_t set; /* CHOPPY_FIELD_BIT()s */
	uint64_t delay_ns; /* one way */
	uint64_t jitter_ns; /* half-width of a uniform spread around the delay */
	uint64_t loss_ppb; /* each wire packet on its own; 1e9 is always */
	uint64_t rate_bps; /* of whole frames without FCS and preamble */
	struct choppy_amount limit; /* of the queue before the rate */
};

/* The queue in force where a rate is set and no limit: as a device's txqueuelen. */
#define CHOPPY_LIMIT_DEFAULT_PACKETS 1000

enum choppy_kind {
	CHOPPY_KIND_TIME, /* uint64_t, ns */
	CHOPPY_KIND_PROBABILITY, /* uint64_t, ppb */
	CHOPPY_KIND_RATE, /* uint64_t, bit/s */
	CHOPPY_KIND_AMOUNT, /* struct choppy_amount */
	CHOPPY_NKINDS,
};

/*
 * One row a field: everything that parsing, printing, JSON, help, completion,
 * manual pages, range checks and fuzz dictionaries know of it.
 */
struct choppy_field_row {
	const char *name; /* JSON key and the name in messages */
	const char *word; /* keyword that opens it, or NULL: it may follow the row before */
	enum choppy_kind kind;
	size_t offset; /* in struct choppy_condition */
	uint64_t min, max; /* inclusive, in the kind's unit */
	uint64_t needs; /* fields without which it means nothing */
	const char *why_needs; /* that, in words */
	const char *metavar; /* "TIME" */
	const char *help; /* one line */
};

/* The table, CHOPPY_NFIELDS rows in enum order. */
CHOPPY_API const struct choppy_field_row *choppy_fields(void);

/* A change to one or both directions, as words on a command line give it. */
struct choppy_change {
	struct choppy_condition dir[CHOPPY_NDIRS];
	bool clear[CHOPPY_NDIRS]; /* `clear`: remove all first */
};

/*
 * Parse condition words (`delay 50ms 10ms loss 30% up rate 1mbit down clear`).
 * A direction word holds until the next; before the first one both are meant.
 * @words: @n of them, as in argv. @allow_clear: whether `clear` is a word.
 * -EINVAL: @err has one line, then all words, then a caret under the wrong one.
 */
CHOPPY_API int choppy_change_parse(struct choppy_change *ret, int n, const char *const *words,
				   bool allow_clear, struct choppy_err *err);

/*
 * The same for a whole condition that nothing stands before: no `clear`, and what
 * choppy_condition_check() would refuse is refused here, with the caret.
 */
CHOPPY_API int choppy_condition_parse(struct choppy_condition ret[CHOPPY_NDIRS], int n,
				      const char *const *words, struct choppy_err *err);

/*
 * Fold @change into @state: only the fields in @change->set are replaced.
 */
CHOPPY_API void choppy_condition_merge(struct choppy_condition *state,
				       const struct choppy_condition *change);

/*
 * Check a full state: ranges, fields that need others, jitter not above delay.
 * @dir_name: "up", "down" or NULL, for the message.
 */
CHOPPY_API int choppy_condition_check(const struct choppy_condition *state, const char *dir_name,
				      struct choppy_err *err);

/*
 * Print @c as words that choppy_change_parse() reads back to the same value,
 * "" when nothing is set. Returns the length as snprintf(3) does.
 */
CHOPPY_API int choppy_condition_print(char *buf, size_t size, const struct choppy_condition *c);

/*
 * Print both directions for people: `30% each way` where a single field is
 * equal both ways, `delay 50ms loss 30% each way`, `up loss 30%, down delay 5ms`,
 * or `no condition`.
 */
CHOPPY_API int choppy_condition_print_both(char *buf, size_t size,
					   const struct choppy_condition dir[CHOPPY_NDIRS]);

/* Print one value with its unit: "50ms", "0.1%", "20mbit", "64kb". */
CHOPPY_API int choppy_value_print(char *buf, size_t size, enum choppy_kind kind, const void *value);

/* ---------------------------------------------------------------- counters */

/* Why a packet did not arrive. The first two are emulated, the rest are the
 * emulator's own failures and never passed off as emulated. */
enum choppy_drop {
	CHOPPY_DROP_LOSS, /* the asked loss */
	CHOPPY_DROP_QUEUE, /* the queue before the rate was full */
	CHOPPY_DROP_MEMORY, /* the packet pool reached its cap */
	CHOPPY_DROP_RECEIVE, /* the engine's receive socket overflowed */
	CHOPPY_DROP_SEND, /* the kernel refused the frame on the way out */
	CHOPPY_NDROPS,
};

/* One short word a reason ("loss", "queue", "memory", "receive", "send"). */
CHOPPY_API const char *choppy_drop_name(enum choppy_drop reason);

/* One direction, since the link was made. All counts are wire packets, unless named frames. */
struct choppy_counters {
	uint64_t packets, bytes; /* entered the link */
	uint64_t judged,
		judged_lost; /* stood before a loss and were lost, since the loss was last set */
	uint64_t delivered, delivered_bytes;
	uint64_t dropped[CHOPPY_NDROPS];
	uint64_t exempt; /* ARP, neighbour discovery, multicast membership: never impaired */
	uint64_t waiting; /* in the queue or the delay line now */
	uint64_t frames_in, frames_out; /* as read from and written to the kernel */
	uint64_t late_samples; /* releases whose lateness was noted */
	uint64_t late_p50_ns, late_p99_ns, late_max_ns; /* release minus due */
	uint64_t memory_bytes; /* taken by the engine's packet pool, both directions */
};

/*
 * The exact (Clopper-Pearson) 95% interval for @hits of @n, as ratios in
 * @ret[0] and @ret[1]; [0, 1] when @n is 0.
 */
CHOPPY_API void choppy_interval(uint64_t hits, uint64_t n, double ret[2]);

/* -------------------------------------------------------------------- labs */

enum choppy_backend { CHOPPY_ENGINE, CHOPPY_NETEM, CHOPPY_NBACKENDS };
enum choppy_uplink { CHOPPY_UPLINK_NAT, CHOPPY_UPLINK_NONE, CHOPPY_NUPLINKS };

CHOPPY_API const char *choppy_backend_name(enum choppy_backend b);
CHOPPY_API const char *choppy_uplink_name(enum choppy_uplink u);

struct choppy_publish {
	uint16_t host_port; /* host byte order; 1 to 65535 */
	uint16_t node_port;
};

/* What to make. Zero it, fill what is wanted; choppy_spec_check() fills the rest. */
struct choppy_spec {
	char name[CHOPPY_NAME_MAX + 1]; /* "" for `run`: run-PID */
	char addr[64]; /* CIDR of the link, IPv4 or IPv6, or "": choose */
	char dev[16]; /* the node's device; "" is eth0 */
	bool seed_given;
	uint64_t seed; /* chosen and reported when not given */
	enum choppy_backend backend;
	enum choppy_uplink uplink;
	struct choppy_publish publish[CHOPPY_MAX_PUBLISH];
	int npublish;
	char user[32]; /* program runs as this user, or "" */
	struct choppy_condition dir[CHOPPY_NDIRS];
	/* Called with each one-line remark that is not an error; may be NULL. */
	void (*note)(void *ctx, const char *line);
	void *note_ctx;
};

/* What a lab is, as the keeper tells it. A plain value. */
struct choppy_lab {
	char name[CHOPPY_NAME_MAX + 1];
	bool permanent; /* made by `add` */
	pid_t keeper, init; /* process ids, in the caller's PID namespace */
	char dev[16], host_dev[16];
	char addr4[2][20],
		addr6[2][48]; /* [0] the gateway's, [1] the node's, with prefix; "" for none */
	enum choppy_backend backend;
	enum choppy_uplink uplink;
	uint64_t seed;
	char congestion[16]; /* TCP congestion control in force in the node */
	char foreign_qdisc[16]; /* kind of a qdisc that somebody put on the node's device, or "" */
	struct choppy_publish publish[CHOPPY_MAX_PUBLISH];
	int npublish;
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_counters counters[CHOPPY_NDIRS];
	char notes[CHOPPY_NOTES_MAX][CHOPPY_NOTE_MAX];
	int nnotes;
};

/* Whether @name may name a lab: [A-Za-z0-9][A-Za-z0-9_.-]{0,30}, and not a path. */
CHOPPY_API int choppy_name_check(const char *name, struct choppy_err *err);

/* Check all of @spec and fill its defaults. Changes nothing on the machine. */
CHOPPY_API int choppy_spec_check(struct choppy_spec *spec, struct choppy_err *err);

/*
 * Make the lab, run @argv in it with this process's terminal and standard
 * streams, and remove it. The calling process is the keeper meanwhile; it must
 * have one thread. Returns the exit status to end with (the program's, 128 + n
 * on a signal, or enum choppy_exit), and fills @ret_lab, when not NULL, with the last
 * state, when the lab came to life (@ret_lab->name is "" otherwise).
 */
CHOPPY_API int choppy_run(const struct choppy_spec *spec, char *const argv[],
			  struct choppy_lab *ret_lab, struct choppy_err *err);

/* Make a lab that stays, kept by a daemon. Returns when it is ready. */
CHOPPY_API int choppy_add(const struct choppy_spec *spec, struct choppy_lab *ret_lab,
			  struct choppy_err *err);

/* End the lab @name and wait until it is gone. */
CHOPPY_API int choppy_del(const char *name, struct choppy_err *err);

/* Names of all labs that live, sorted; free each and the array with free(3). Count in @ret_n. */
CHOPPY_API int choppy_list(char ***ret_names, size_t *ret_n, struct choppy_err *err);

/* The state of lab @name now. -ENOENT when there is none. */
CHOPPY_API int choppy_show(const char *name, struct choppy_lab *ret, struct choppy_err *err);

/*
 * Change the conditions of lab @name while it lives, all or nothing. @backend:
 * the backend that the caller believes in (refused when the lab has another), or -1.
 * @ret: the state after the change, or NULL.
 */
CHOPPY_API int choppy_set(const char *name, const struct choppy_change *change, int backend,
			  struct choppy_lab *ret, struct choppy_err *err);

/* Run @argv in lab @name, as choppy_run() does. Returns the exit status. @user: or NULL. */
CHOPPY_API int choppy_exec(const char *name, char *const argv[], const char *user,
			   struct choppy_err *err);

/*
 * Undo what dead keepers left. @line is called with each step; with @dry_run
 * nothing is changed. Journals of living keepers are never touched.
 */
CHOPPY_API int choppy_gc(bool dry_run, void (*line)(void *ctx, const char *what), void *ctx,
			 struct choppy_err *err);

/* The steps that choppy_run() (@permanent false) or choppy_add() would take, a line each. */
CHOPPY_API int choppy_plan(const struct choppy_spec *spec, bool permanent,
			   void (*line)(void *ctx, const char *what), void *ctx,
			   struct choppy_err *err);

/* One thing this machine can do or not, found by trying it in a throw-away child. */
struct choppy_ability {
	const char *name; /* "network namespace" */
	bool needed; /* by the main job; otherwise by an option */
	bool works;
	char why[1024]; /* the failing step and the kernel's words */
	char mend[256]; /* the one command that mends it, or "" */
};

/* Try each real step; @each is called in order. Returns 0 when all that is needed works. */
CHOPPY_API int choppy_doctor(void (*each)(void *ctx, const struct choppy_ability *a), void *ctx,
			     struct choppy_err *err);

#endif
