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
 * per thousand million (1e-9), _ppm per million, so every value a user can write is held exactly.
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
#define CHOPPY_NODE_NAME_MAX 63 /* of a node: a label in a host's name (RFC 1035) */
#define CHOPPY_LINK_NAME_MAX 129 /* of a link */
#define CHOPPY_FAULTS_MAX 8192 /* of the faults of a lab, in words, with the NUL */
#define CHOPPY_MAX_PUBLISH 32 /* most published ports of one lab */
#define CHOPPY_NOTES_MAX 8 /* most remarks kept with a lab */
#define CHOPPY_NOTE_MAX 1024 /* longest remark, with its NUL */

/* Exit statuses beside the program's own, as env(1) and timeout(1) use them. */
enum choppy_exit {
	CHOPPY_EXIT_USAGE = 2, /* the command line is wrong */
	CHOPPY_EXIT_LATE = 75, /* packets left later than --max-lateness allows */
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

/*
 * The fields, clause by clause in the order in which they are printed. A clause
 * is a word with all the values and further words that may follow it (`loss 2% burst 5`):
 * it is set, replaced and removed as a whole.
 */
enum choppy_field {
	CHOPPY_DELAY,
	CHOPPY_JITTER,
	CHOPPY_DELAY_CORRELATION,
	CHOPPY_DISTRIBUTION,
	CHOPPY_LOSS,
	CHOPPY_LOSS_CORRELATION,
	CHOPPY_LOSS_BURST,
	CHOPPY_LOSS_EVERY,
	CHOPPY_GE_P,
	CHOPPY_GE_R,
	CHOPPY_GE_BAD,
	CHOPPY_GE_GOOD,
	CHOPPY_STATE_P13,
	CHOPPY_STATE_P31,
	CHOPPY_STATE_P32,
	CHOPPY_STATE_P23,
	CHOPPY_STATE_P14,
	CHOPPY_DROP,
	CHOPPY_DUPLICATE,
	CHOPPY_DUPLICATE_CORRELATION,
	CHOPPY_CORRUPT,
	CHOPPY_CORRUPT_CORRELATION,
	CHOPPY_CORRUPT_FIX,
	CHOPPY_REORDER,
	CHOPPY_REORDER_CORRELATION,
	CHOPPY_REORDER_GAP,
	CHOPPY_REORDER_BY,
	CHOPPY_REORDER_WITHIN,
	CHOPPY_REORDER_JITTER,
	CHOPPY_RATE,
	CHOPPY_RATE_BURST,
	CHOPPY_OVERHEAD,
	CHOPPY_CELL_SIZE,
	CHOPPY_CELL_OVERHEAD,
	CHOPPY_LIMIT,
	CHOPPY_QUEUE,
	CHOPPY_QUEUE_TARGET,
	CHOPPY_QUEUE_INTERVAL,
	CHOPPY_QUEUE_TUPDATE,
	CHOPPY_QUEUE_FLOWS,
	CHOPPY_QUEUE_QUANTUM,
	CHOPPY_QUEUE_MIN,
	CHOPPY_QUEUE_MAX,
	CHOPPY_QUEUE_PROBABILITY,
	CHOPPY_ECN,
	CHOPPY_SLOT,
	CHOPPY_SLOT_MAX,
	CHOPPY_SLOT_DISTRIBUTION,
	CHOPPY_SLOT_DELAY,
	CHOPPY_SLOT_JITTER,
	CHOPPY_SLOT_PACKETS,
	CHOPPY_SLOT_BYTES,
	CHOPPY_TRACE,
	CHOPPY_TRACE_END,
	CHOPPY_TRACE_START,
	CHOPPY_OUTAGE,
	CHOPPY_FLAP,
	CHOPPY_REJECT,
	CHOPPY_MTU,
	CHOPPY_MTU_SILENT,
	CHOPPY_INFLIGHT,
	CHOPPY_NETEM_RAW,
	CHOPPY_NFIELDS,
};
#define CHOPPY_FIELD_BIT(f) (1ull << (f))

/* The unit of an amount that may be counted in more than one. */
enum choppy_unit {
	CHOPPY_PACKETS,
	CHOPPY_BYTES,
	CHOPPY_NANOSECONDS,
	CHOPPY_CONNECTIONS,
	CHOPPY_NUNITS,
};
#define CHOPPY_UNIT_BIT(u) (1u << (u))

struct choppy_amount {
	uint64_t n;
	uint32_t unit; /* enum choppy_unit */
	uint32_t zero; /* padding, 0 */
};

#define CHOPPY_LIST_MAX 32 /* most ranges of a list */
#define CHOPPY_PATH_MAX 256 /* of a file's name, with the NUL */

/* Packet numbers, counted from 1: ascending ranges that do not touch, both ends included. */
struct choppy_list {
	uint32_t n, zero;
	struct choppy_range {
		uint64_t first, last;
	} range[CHOPPY_LIST_MAX];
};

/* Again and again: up for @period_ns - @out_ns, then out for @out_ns; 0 < out < period. */
struct choppy_cycle {
	uint64_t period_ns, out_ns;
};

/* Framing of the link that the frame as seen by Linux does not show. */
struct choppy_overhead {
	int32_t bytes; /* added to each packet */
	uint32_t least; /* and this much it takes at least */
};

enum choppy_queue {
	CHOPPY_QUEUE_TAIL, /* drop what arrives */
	CHOPPY_QUEUE_HEAD, /* drop what has waited longest */
	CHOPPY_QUEUE_CODEL, /* RFC 8289 */
	CHOPPY_QUEUE_FQ_CODEL, /* RFC 8290 */
	CHOPPY_QUEUE_PIE, /* RFC 8033 */
	CHOPPY_QUEUE_RED, /* Floyd and Jacobson 1993 */
	CHOPPY_NQUEUES,
};

/* What the sender of a rejected packet is told. */
enum choppy_reject {
	CHOPPY_REJECT_UNREACHABLE, /* ICMP host unreachable */
	CHOPPY_REJECT_PROHIBITED, /* ICMP administratively prohibited */
	CHOPPY_REJECT_RESET, /* TCP reset; ICMP port unreachable for other protocols */
	CHOPPY_NREJECTS,
};

enum choppy_trace_end {
	CHOPPY_TRACE_LOOP, /* from the beginning again */
	CHOPPY_TRACE_HOLD, /* the last row stays */
	CHOPPY_TRACE_STOP, /* the conditions beside the trace hold again */
	CHOPPY_NTRACE_ENDS,
};

enum choppy_trace_start {
	CHOPPY_TRACE_AT_ONCE, /* when it is set */
	CHOPPY_TRACE_FIRST_PACKET,
	CHOPPY_NTRACE_STARTS,
};

/*
 * What one direction does to its packets. A field counts only when its bit is
 * in @set, so one struct is a full state, a change, or a read-back.
 */
struct choppy_condition {
	uint64_t set; /* CHOPPY_FIELD_BIT()s */

	uint64_t delay_ns; /* one way */
	uint64_t jitter_ns; /* half-width (uniform) or standard deviation (distribution) */
	uint64_t delay_correlation_ppb; /* of a packet's delay with that of the one before it */
	char distribution[CHOPPY_PATH_MAX]; /* of the jitter: a name, or a table's path */

	uint64_t loss_ppb; /* share of the wire packets; 1e9 is always */
	uint64_t loss_correlation_ppb; /* of a packet's loss with that of the one before it */
	uint64_t loss_burst_ppm; /* mean run of losses, millionths of a packet; 1e6 at least */
	uint64_t loss_every; /* every so many-th packet is lost */
	/* Gilbert-Elliott (tc-netem(8) gemodel): good to bad, bad to good; loss in bad, in good */
	uint64_t ge_p_ppb, ge_r_ppb, ge_bad_ppb, ge_good_ppb;
	/* four states (tc-netem(8) state): 1 good, 2 good in a burst, 3 lost in it, 4 lost alone */
	uint64_t state_p13_ppb, state_p31_ppb, state_p32_ppb, state_p23_ppb, state_p14_ppb;
	struct choppy_list drop; /* exactly these packets of the direction */

	uint64_t duplicate_ppb, duplicate_correlation_ppb;
	uint64_t corrupt_ppb, corrupt_correlation_ppb;
	uint64_t corrupt_fix; /* 1: a payload bit, and the checksum mended */

	uint64_t reorder_ppb, reorder_correlation_ppb;
	uint64_t reorder_gap; /* packets of which the last may go at once */
	uint64_t reorder_by; /* packets that overtake a reordered one */
	uint64_t reorder_within_ns; /* it waits for them no longer than this */
	uint64_t reorder_jitter; /* 1: packets leave by their own delay, and so overtake */

	uint64_t rate_bps; /* of whole frames without FCS and preamble, plus @overhead */
	uint64_t rate_burst_bytes; /* that may pass at once after a pause */
	struct choppy_overhead overhead; /* of each packet, for the rate */
	uint64_t cell_size_bytes, cell_overhead_bytes; /* packets fill whole cells */

	struct choppy_amount limit; /* of the queue before the rate */
	uint64_t queue; /* enum choppy_queue */
	uint64_t queue_target_ns, queue_interval_ns, queue_tupdate_ns;
	uint64_t queue_flows, queue_quantum_bytes;
	uint64_t queue_min_bytes, queue_max_bytes, queue_probability_ppb;
	uint64_t ecn; /* 1: mark ECN-capable packets where loss or queue management would drop */

	/* Packets leave in slots, at most so many packets or bytes in each (0: any). */
	uint64_t slot_ns, slot_max_ns; /* between two slots: evenly from ... to */
	char slot_distribution[CHOPPY_PATH_MAX];
	uint64_t slot_delay_ns, slot_jitter_ns; /* or by a distribution */
	uint64_t slot_packets, slot_bytes;

	char trace[CHOPPY_PATH_MAX]; /* a built-in one's name, or a file's absolute path */
	uint64_t trace_end; /* enum choppy_trace_end */
	uint64_t trace_start; /* enum choppy_trace_start */

	uint64_t outage; /* 1: nothing passes */
	struct choppy_cycle flap; /* outages by the clock */
	uint64_t reject; /* enum choppy_reject: what is refused is answered */
	uint64_t mtu_bytes; /* longest packet from its IP header on */
	uint64_t mtu_silent; /* 1: nobody is told: a black hole */

	uint64_t inflight; /* netem's limit: packets in the queue and the delay line together */
	uint64_t netem_raw; /* 1: jitter and correlations with netem's own meaning */
};

#define CHOPPY_MATCH_MAX 256 /* of a filter expression, with the NUL */
#define CHOPPY_RULES_MAX 16 /* most rules of a link */

/*
 * A condition for some packets only. Rules are tried in order, the first that matches decides:
 * the clauses of its condition replace those of the direction for this packet, the direction's
 * other clauses hold for it as for all.
 */
struct choppy_rule {
	char match[CHOPPY_MATCH_MAX]; /* pcap-filter(7), on the Ethernet frame */
	struct choppy_list nth; /* of the matching packets only these; n 0: all */
	struct choppy_amount first; /* only so many packets or connections; n 0: all */
	uint32_t dirs; /* CHOPPY_DIR_BIT()s */
	uint32_t off; /* in a change: 1 removes it */
	struct choppy_condition condition;
};

struct choppy_rules {
	uint32_t n, zero;
	struct choppy_rule rule[CHOPPY_RULES_MAX];
};

/* The queue in force where a rate is set and no limit: as a device's txqueuelen. */
#define CHOPPY_LIMIT_DEFAULT_PACKETS 1000

enum choppy_kind {
	CHOPPY_KIND_TIME, /* uint64_t, ns */
	CHOPPY_KIND_PROBABILITY, /* uint64_t, ppb */
	CHOPPY_KIND_RATE, /* uint64_t, bit/s */
	CHOPPY_KIND_AMOUNT, /* struct choppy_amount */
	CHOPPY_KIND_SIZE, /* uint64_t, bytes */
	CHOPPY_KIND_COUNT, /* uint64_t, a plain number */
	CHOPPY_KIND_MEAN, /* uint64_t, millionths of a plain number with decimals */
	CHOPPY_KIND_FLAG, /* uint64_t, 1; the word alone */
	CHOPPY_KIND_CHOICE, /* uint64_t, which of the row's choices */
	CHOPPY_KIND_LIST, /* struct choppy_list */
	CHOPPY_KIND_CYCLE, /* struct choppy_cycle */
	CHOPPY_KIND_OVERHEAD, /* struct choppy_overhead */
	CHOPPY_KIND_DISTRIBUTION, /* char[CHOPPY_PATH_MAX] */
	CHOPPY_KIND_TRACE, /* char[CHOPPY_PATH_MAX] */
	CHOPPY_NKINDS,
};

/* How a row is reached in the grammar of words. */
enum choppy_place {
	CHOPPY_PLACE_CLAUSE, /* its word opens a clause; the value follows */
	CHOPPY_PLACE_VALUE, /* the next value behind the row before it; may be left out */
	CHOPPY_PLACE_WORD, /* a word inside the clause; the value follows */
	CHOPPY_PLACE_INSTEAD, /* the same, in place of the clause's own value */
};

/*
 * One row a field: everything that parsing, printing, JSON, help, completion,
 * manual pages, range checks and fuzz dictionaries know of it.
 */
struct choppy_field_row {
	const char *name; /* JSON key and the name in messages */
	const char *word; /* keyword, or NULL for a CHOPPY_PLACE_VALUE */
	enum choppy_place place;
	enum choppy_kind kind;
	bool optional; /* the value may be left out and is then @otherwise */
	uint64_t otherwise;
	size_t offset; /* in struct choppy_condition */
	uint64_t min, max; /* inclusive, in the kind's unit */
	uint32_t units; /* of a CHOPPY_KIND_AMOUNT: CHOPPY_UNIT_BIT()s that it may be in */
	const char *const *choices; /* of a CHOPPY_KIND_CHOICE, ended by NULL */
	uint64_t needs; /* without at least one of these fields it means nothing */
	const char *why_needs; /* that, in words */
	const char *metavar; /* "TIME"; NULL for a flag */
	const char *example; /* a value; NULL: as good as any of the kind */
	const char *help; /* one line */
};

/* The table, CHOPPY_NFIELDS rows in enum order. */
CHOPPY_API const struct choppy_field_row *choppy_fields(void);

/* A change to one or both directions, as words on a command line give it. */
struct choppy_change {
	struct choppy_condition dir[CHOPPY_NDIRS];
	uint64_t off[CHOPPY_NDIRS]; /* bits of the fields that are removed (`loss off`) */
	bool clear[CHOPPY_NDIRS]; /* `clear`: remove all first, rules too */
	bool rules_off[CHOPPY_NDIRS]; /* `match off`: remove the direction's rules */
	struct choppy_rules rules; /* replace those of the same match, nth and first; else added */
};

/*
 * Split @text into words as a shell does: at spaces, with '...', "..." and \ to keep them.
 * @buf: strlen(@text) + 1 bytes for the words; @words: room for strlen(@text) / 2 + 1 of them.
 * Returns how many; -EINVAL: a quote is not closed, or nothing is behind the last \.
 */
CHOPPY_API int choppy_words_split(char *buf, const char **words, const char *text);

/*
 * Parse condition words (`delay 50ms 10ms loss 30% up rate 1mbit down clear`).
 * A direction word holds until the next; before the first one both are meant.
 * `match EXPRESSION [nth LIST] [first AMOUNT]` begins a rule: what follows, up to the next
 * `match` or direction, is its condition. A profile's name may be the first word of a place.
 * @words: @n of them, as in argv. @for_change: whether `clear` and `off` are words.
 * -EINVAL: @err has one line, then all words, then a caret under the wrong one.
 */
CHOPPY_API int choppy_change_parse(struct choppy_change *ret, int n, const char *const *words,
				   bool for_change, struct choppy_err *err);

/*
 * The same for a whole condition that nothing stands before: no `clear`, and what
 * choppy_condition_check() would refuse is refused here, with the caret.
 */
CHOPPY_API int choppy_condition_parse(struct choppy_condition ret[CHOPPY_NDIRS],
				      struct choppy_rules *ret_rules, int n,
				      const char *const *words, struct choppy_err *err);

/*
 * Fold @change into @state: every clause of which @change has a field is replaced as
 * a whole, the others stay.
 */
CHOPPY_API void choppy_condition_merge(struct choppy_condition *state,
				       const struct choppy_condition *change);

/* Fold @change but for its rules into both directions: what it clears, takes off, and sets. */
CHOPPY_API void choppy_change_apply(struct choppy_condition dir[CHOPPY_NDIRS],
				    const struct choppy_change *change);

/*
 * Fold the rules of @change into @state, direction by direction: those that are cleared or off go,
 * one of the same match, nth and first is replaced where it stands, others are added behind.
 * -E2BIG: more than CHOPPY_RULES_MAX. -ENOENT: a rule to remove is not there.
 */
CHOPPY_API int choppy_rules_merge(struct choppy_rules *state, const struct choppy_change *change,
				  struct choppy_err *err);

/*
 * Check a full state: ranges, fields that need or exclude others, values that do not go together.
 * @dir_name: "up", "down" or NULL, for the message.
 */
CHOPPY_API int choppy_condition_check(const struct choppy_condition *state, const char *dir_name,
				      struct choppy_err *err);

/*
 * The same for every rule, laid over the condition of its direction. Whether the expression is
 * one is not looked at.
 */
CHOPPY_API int choppy_rules_check(const struct choppy_rules *rules,
				  const struct choppy_condition dir[CHOPPY_NDIRS],
				  struct choppy_err *err);

/* Enough for choppy_condition_print() and choppy_condition_print_both() of any condition. */
#define CHOPPY_CONDITION_TEXT_MAX 16384

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

/* Print one value of field @row with its unit: "50ms", "0.1%", "20mbit", "64kb", "codel". */
#define CHOPPY_VALUE_TEXT_MAX 2048 /* enough for any */
CHOPPY_API int choppy_value_print(char *buf, size_t size, const struct choppy_field_row *row,
				  const void *value);

/* Print the rules that hold for @dir as words: `match 'tcp port 80' loss 10%`, one behind another.
 */
CHOPPY_API int choppy_rules_print(char *buf, size_t size, const struct choppy_rules *rules,
				  enum choppy_dir dir);

/*
 * The share of packets that @c's loss words ask for in the long run, 0 to 1, correlation and
 * bursts included; negative when it asks for no loss.
 */
CHOPPY_API double choppy_condition_loss(const struct choppy_condition *c);

#define CHOPPY_TC_TEXT_MAX 1024 /* enough for choppy_condition_tc() of any condition */

/*
 * Print @c as what stands behind `netem` on the command line of tc(8), exactly: the values of
 * the condition with the backend netem. A distribution out of a file is named as tc finds it with
 * TC_LIB_DIR. -EOPNOTSUPP: netem cannot do it, and @err says what. Else as snprintf(3).
 */
CHOPPY_API int choppy_condition_tc(char *buf, size_t size, const struct choppy_condition *c,
				   struct choppy_err *err);

/*
 * Translate a netem line of tc(8) (what stands behind `netem`, or the whole command), of @n words,
 * into words for choppy_condition_parse() that mean the same netem: its limit is `inflight`, 1000
 * when not given, and jitter and correlations are `netem-raw`. Whether they are in range is left to
 * that function. A distribution's file is looked for where tc does. CHOPPY_CONDITION_TEXT_MAX bytes
 * are enough. -EINVAL: not a line that tc takes, or one that choppy refuses, and @err says why.
 * Else as snprintf(3).
 */
CHOPPY_API int choppy_tc_words(char *ret, size_t size, int n, const char *const *words,
			       struct choppy_err *err);

/*
 * Print @change as words that choppy_change_parse() reads back to the same. Returns the length as
 * snprintf(3) does.
 */
CHOPPY_API int choppy_change_print(char *buf, size_t size, const struct choppy_change *change);

/* A named set of conditions: data, with where its numbers come from. */
struct choppy_profile {
	const char *name;
	const char *words; /* as choppy_condition_parse() takes them */
	const char *help; /* one line */
	const char *source;
};

/* All of them, ended by a NULL name. */
CHOPPY_API const struct choppy_profile *choppy_profiles(void);

/* ---------------------------------------------------------------- counters */

/* Why a packet did not arrive. Those behind CHOPPY_DROP_REPLAY are the
 * emulator's own failures and never passed off as emulated. */
enum choppy_drop {
	CHOPPY_DROP_LOSS, /* the asked loss */
	CHOPPY_DROP_LIST, /* its number was in the list */
	CHOPPY_DROP_OUTAGE, /* outage or flap */
	CHOPPY_DROP_REJECT, /* refused, and the sender told where that is possible */
	CHOPPY_DROP_MTU, /* longer than the link's MTU */
	CHOPPY_DROP_QUEUE, /* the queue before the rate was full */
	CHOPPY_DROP_AQM, /* the queue's management */
	CHOPPY_DROP_REPLAY, /* a replayed verdict */
	CHOPPY_DROP_MEMORY, /* the packet pool reached its cap */
	CHOPPY_DROP_RECEIVE, /* the engine's receive socket overflowed */
	CHOPPY_DROP_SEND, /* the kernel refused the frame on the way out */
	CHOPPY_NDROPS,
};

/* One short word a reason: "loss", "list", "outage", ... */
CHOPPY_API const char *choppy_drop_name(enum choppy_drop reason);

/* A count that the backend is not told: netem's before Linux 7.2. */
#define CHOPPY_UNKNOWN UINT64_MAX

/* One direction, since the link was made. All counts are wire packets, unless named frames. */
struct choppy_counters {
	uint64_t packets, bytes; /* entered the link */
	uint64_t judged,
		judged_lost; /* stood before a loss and were lost, since the loss was last set */
	uint64_t delivered, delivered_bytes;
	uint64_t dropped[CHOPPY_NDROPS];
	uint64_t duplicated; /* copies made, counted as packets too; or CHOPPY_UNKNOWN */
	uint64_t corrupted; /* or CHOPPY_UNKNOWN */
	uint64_t reordered;
	uint64_t marked; /* ECN: congestion experienced, in place of a drop; or CHOPPY_UNKNOWN */
	uint64_t replies; /* sent back: ICMP errors, TCP resets */
	uint64_t fragments; /* made of packets that were longer than the MTU, counted as packets too
			     */
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

/* ----------------------------------------------------------- labs in files */

/* A lab of many nodes as a file tells it: nodes, links, programs, addresses. Nothing is made. */
struct choppy_file;

/*
 * Read lab file @path (YAML or JSON) and what it includes. All that is wrong in them is told to
 * @problem, one by one: file:line:column and what, then that line and a caret. -EINVAL then, and
 * @err has their number.
 */
CHOPPY_API int choppy_file_read(struct choppy_file **ret, const char *path,
				void (*problem)(void *ctx, const char *text), void *ctx,
				struct choppy_err *err);
CHOPPY_API void choppy_file_free(struct choppy_file *f); /* NULL is fine */

/* What the lab is called: by `name` in the file, or else as the file without what is behind a '.'.
 */
CHOPPY_API const char *choppy_file_name(const struct choppy_file *f);
CHOPPY_API int choppy_file_rename(struct choppy_file *f, const char *name, struct choppy_err *err);
CHOPPY_API void choppy_file_size(const struct choppy_file *f, uint32_t *ret_nodes,
				 uint32_t *ret_links);

/*
 * Print the JSON Schema (draft 2020-12) of lab files: every key, what its value may be, and what it
 * is for. It refuses what is wrong in form; names and values are choppy_file_read()'s to judge.
 * Returns the length as snprintf(3) does, or -ENOMEM.
 */
CHOPPY_API int choppy_file_schema(char *buf, size_t size);

/* A node of a file. What is text lives as long as the file. */
struct choppy_file_node {
	const char *name;
	const char *kind; /* "host", "router" or "switch" */
	uint32_t nlinks;
	bool runs; /* it has a command */
};

/* One end of a link of a file. */
struct choppy_file_end {
	uint32_t node;
	uint32_t port; /* eth0 is 0 */
	/* With the prefix, where they are free on the machine; "" for none, as of a switch. */
	char addr4[20], addr6[48];
};

/* A link of a file, or what is beyond the uplink. Its conditions live as long as the file. */
struct choppy_file_link {
	const char *name;
	struct choppy_file_end end[2];
	/* [0] from the first end to the second, [1] back; NULL: as it comes. */
	const struct choppy_condition *dir;
	const struct choppy_rules *rules; /* likewise; their dirs are bits of [0] and [1] */
};

/* Of node @i and link @i, counted from 0: choppy_file_size() has their numbers. */
CHOPPY_API void choppy_file_node(const struct choppy_file *f, uint32_t i,
				 struct choppy_file_node *ret);
CHOPPY_API void choppy_file_link(const struct choppy_file *f, uint32_t i,
				 struct choppy_file_link *ret);

/*
 * The way out: @ret->name is its kind ("auto", "nat", ...), @ret->end[0] the node that has it, and
 * there is nothing at the other end. False: there is none.
 */
CHOPPY_API bool choppy_file_uplink(const struct choppy_file *f, struct choppy_file_link *ret);

/* What a drawing is of. Lengths are in the caller's unit. */
struct choppy_graph {
	uint32_t nnodes, nlinks;
	const struct choppy_size {
		int w, h;
		int stacked_w, stacked_h; /* as one of a stack */
	} * sizes; /* by node; none is 0 */
	const uint32_t (*ends)[2]; /* by link: the two nodes that it joins */
	uint32_t root; /* the node that is to be at the top; UINT32_MAX: choose */
	uint32_t stack; /* so many nodes with one link, to the same, stand in columns; 0: never */
	int gap_x, gap_y; /* least room between nodes of a layer, and between layers */
	int arc; /* more of it below a layer, for each node that a link within the layer passes */
};

/* Where a drawing has a node. */
struct choppy_spot {
	int x, y, w, h; /* x and y are of the upper left corner, from 0 */
	int top, below; /* where its layer begins and ends */
	uint32_t layer; /* links from the top, of what it is joined to */
	uint32_t place; /* in its layer, from the left; the same for all of a stack */
	bool stacked;
};

/*
 * Lay @g out: @ret has room for its nodes, @ret_size for the width and the height of all of it. No
 * two nodes overlap; links join neighbouring layers, or nodes of one layer; the same graph is laid
 * out the same way each time. -ENOMEM.
 */
CHOPPY_API int choppy_layout(struct choppy_spot *ret, int ret_size[2],
			     const struct choppy_graph *g);

/* -------------------------------------------------------------------- labs */

enum choppy_backend { CHOPPY_ENGINE, CHOPPY_NETEM, CHOPPY_NBACKENDS };
enum choppy_uplink {
	CHOPPY_UPLINK_AUTO, /* nat with root's powers, relay without */
	CHOPPY_UPLINK_NAT, /* the host's kernel forwards and masquerades: needs root */
	CHOPPY_UPLINK_RELAY, /* an ordinary process connects in the node's place: needs nothing */
	CHOPPY_UPLINK_NONE,
	CHOPPY_NUPLINKS
};

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
	uint64_t seed; /* when not given and 0, choppy_spec_check() chooses one */
	enum choppy_backend backend;
	enum choppy_uplink uplink;
	struct choppy_publish publish[CHOPPY_MAX_PUBLISH];
	int npublish;
	char user[32]; /* program runs as this user, or "" */
	bool allow_host; /* the node reaches the host's loopback and link-local addresses */
	bool map_root; /* without root: the program is root of the lab's own user namespace */
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_rules rules;
	char verdicts[CHOPPY_PATH_MAX]; /* file to write every verdict to, or "" */
	char replay[CHOPPY_PATH_MAX]; /* file of verdicts to apply in place of chance, or "" */
	bool replay_by_flow; /* by flow and number within it, not by packet number */
	uint64_t max_lateness_ns; /* a packet that leaves later fails the run; 0: none does */
	bool leashed; /* choppy_up(): the lab ends with the calling process, however that ends */
	bool super_packets; /* netem: leave segmentation to the receiving end of the link */
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
	bool rootless; /* kept by an ordinary user, in a user namespace */
	bool own_gateway; /* @host_dev is in a namespace of the lab's own, not in the host's */
	bool map_root;
	char addr4[2][20],
		addr6[2][48]; /* [0] the gateway's, [1] the node's, with prefix; "" for none */
	enum choppy_backend backend;
	enum choppy_uplink uplink;
	uint64_t seed;
	bool seeded; /* false: verdicts do not follow from the seed (netem before Linux 6.6) */
	char tc[CHOPPY_NDIRS][CHOPPY_TC_TEXT_MAX]; /* netem: what is in force, in tc's words */
	uint32_t nodes, links; /* of a lab out of a file; 0: it is one node and its link */
	/* Of which link condition and counters are: "" for the lab's own, that with its gateway. */
	char link[CHOPPY_LINK_NAME_MAX + 1];
	char ends[2][CHOPPY_NODE_NAME_MAX + 1]; /* CHOPPY_UP is from the first to the second */
	char faults[CHOPPY_FAULTS_MAX]; /* what is cut, off, or stands still: a line each */
	char congestion[16]; /* TCP congestion control in force in the node */
	char foreign_qdisc[16]; /* kind of a qdisc that somebody put on the node's device, or "" */
	struct choppy_publish publish[CHOPPY_MAX_PUBLISH];
	int npublish;
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_rules rules;
	uint64_t matched[CHOPPY_NDIRS][CHOPPY_RULES_MAX]; /* packets, by rule */
	struct choppy_counters counters[CHOPPY_NDIRS];
	char notes[CHOPPY_NOTES_MAX][CHOPPY_NOTE_MAX];
	int nnotes;
	uint32_t nnotes_now; /* the last so many of them are about the state of the moment */
};

/* Whether @name may name a lab: [A-Za-z0-9][A-Za-z0-9_.-]{0,30}, and not a path. */
CHOPPY_API int choppy_name_check(const char *name, struct choppy_err *err);

/* Check all of @spec and fill its defaults. Changes nothing on the machine. */
CHOPPY_API int choppy_spec_check(struct choppy_spec *spec, struct choppy_err *err);

/*
 * Make the lab, run @argv in it with this process's terminal and standard
 * streams, and remove it. The calling process is the keeper meanwhile; it must
 * have one thread. Without root's powers it enters a user namespace for good, and with the uplink
 * relay it is in another network namespace meanwhile: a caller with plans of its own does this in a
 * child. Returns the exit status to end with (the program's, 128 + n
 * on a signal, or enum choppy_exit), and fills @ret_lab, when not NULL, with the last
 * state, when the lab came to life (@ret_lab->name is "" otherwise).
 */
CHOPPY_API int choppy_run(const struct choppy_spec *spec, char *const argv[],
			  struct choppy_lab *ret_lab, struct choppy_err *err);

/* Make a lab that stays, kept by a daemon. Returns when it is ready. */
CHOPPY_API int choppy_add(const struct choppy_spec *spec, struct choppy_lab *ret_lab,
			  struct choppy_err *err);

/*
 * Make the lab of a file, which stays. Of @spec the seed, the uplink and @note hold,
 * where they are given, in place of the file's. Every command of the file runs; what it writes is
 * in choppy_log_open(). Returns when the lab stands.
 */
CHOPPY_API int choppy_up(struct choppy_file *f, const struct choppy_spec *spec,
			 struct choppy_lab *ret_lab, struct choppy_err *err);

/* The steps that choppy_up() would take, a line each. */
CHOPPY_API int choppy_up_plan(struct choppy_file *f, const struct choppy_spec *spec,
			      void (*line)(void *ctx, const char *what), void *ctx,
			      struct choppy_err *err);

/* End the lab @name and wait until it is gone. */
CHOPPY_API int choppy_del(const char *name, struct choppy_err *err);

/* Names of all labs that live, sorted; free each and the array with free(3). Count in @ret_n. */
CHOPPY_API int choppy_list(char ***ret_names, size_t *ret_n, struct choppy_err *err);

/*
 * The state of lab @name now, or, of "LAB/LINK", with that link's condition and counters. -ENOENT
 * when there is none.
 */
CHOPPY_API int choppy_show(const char *name, struct choppy_lab *ret, struct choppy_err *err);

/*
 * Change the conditions of lab @name while it lives, all or nothing. @backend:
 * the backend that the caller believes in (refused when the lab has another), or -1.
 * @ret: the state after the change, or NULL.
 */
CHOPPY_API int choppy_set(const char *name, const struct choppy_change *change, int backend,
			  struct choppy_lab *ret, struct choppy_err *err);

/*
 * What can be done to a lab out of a file while it lives: the verb, what follows it, and in one
 * line what it does. The same words stand on a command line and in a file's timeline; `run` and
 * `ramp` are the timeline's alone.
 */
#define CHOPPY_VERBS(ROW)                                                                          \
	ROW(SET, "set", "LINK|NODE|'NODE>NODE' CONDITION...",                                      \
	    "change the condition of a link, of a node's links, or of one direction")              \
	ROW(CUT, "cut", "NODES [to] NODES [reject [KIND]]",                                        \
	    "let nodes no longer hear each other, or only one way")                                \
	ROW(PARTITION, "partition", "SIDES|SHAPE [of NODES] [reject [KIND]]",                      \
	    "cut a lab into parts")                                                                \
	ROW(HEAL, "heal", "", "end all cuts and partitions, and turn all links on")                \
	ROW(LINK, "link", "LINK on|off", "unplug a link, or plug it in again")                     \
	ROW(PAUSE, "pause", "[any] NODES", "let the programs of nodes stand still")                \
	ROW(RESUME, "resume", "[any] NODES", "let the programs of nodes go on")                    \
	ROW(KILL, "kill", "[any] NODES", "kill the programs of nodes (SIGKILL)")                   \
	ROW(START, "start", "[any] NODES", "start the command of nodes again")                     \
	ROW(RESTART, "restart", "[any] NODES",                                                     \
	    "kill the programs of nodes, and start their command again")                           \
	ROW(RAMP, "ramp", "LINK|NODE|'NODE>NODE' WORD VALUE to VALUE [over TIME]",                 \
	    "change one value of a condition steadily")                                            \
	ROW(RUN, "run", "[any] NODES COMMAND", "start a command on nodes")                         \
	ROW(MARK, "mark", "NAME", "name this moment, for a timeline that counts from it")

/*
 * Do to lab @name, which is one out of a file, what @n words say: "cut a b", "partition 'a b | c'",
 * "pause web" (choppy(1) has all). What was done is told to @line, which may be NULL, one by one.
 */
CHOPPY_API int choppy_act(const char *name, int n, const char *const *words,
			  void (*line)(void *ctx, const char *what), void *ctx,
			  struct choppy_err *err);

/* A node of a lab that is up. Valid while it is told. */
struct choppy_node {
	const char *name;
	const char *kind; /* "host", "router" or "switch" */
	const char *addr4, *addr6; /* the first, with the prefix; "" for none */
	const char *command; /* "running", "ended", or "" for a node without */
	uint64_t status; /* the exit status of one that has ended */
	bool paused;
	bool asked_ready, ready; /* whether it says when it is; as far as anybody has asked */
};

/* Tell @each all nodes of lab @lab, in the order of its file. */
CHOPPY_API int choppy_nodes(const char *lab, void (*each)(void *ctx, const struct choppy_node *n),
			    void *ctx, struct choppy_err *err);

/*
 * Whether the nodes @names (@n of them; 0: all that say in their file when they are) are ready.
 * Who is not is told to @waiting, with what is waited for. The keeper goes on asking.
 */
CHOPPY_API int choppy_ready(const char *lab, int n, const char *const *names,
			    void (*waiting)(void *ctx, const char *what), void *ctx, bool *ret,
			    struct choppy_err *err);

/* A step of a lab's timeline that has been played. Valid while it is told. */
struct choppy_step {
	uint64_t due_ns, late_ns; /* since the lab stood; how much later it was done */
	const char *action; /* the file's words */
	bool end; /* it was the end of that */
	const char *done; /* what was done, chance decided, or "" */
	const char *error; /* why it could not be done, or NULL */
};

/*
 * Tell @each what has been played: the first 10000 steps and those that failed; @ret_untold: the
 * number of the others, or NULL. @ret_waiting: something is still to come.
 */
CHOPPY_API int choppy_timeline(const char *lab,
			       void (*each)(void *ctx, const struct choppy_step *s), void *ctx,
			       uint64_t *ret_untold, bool *ret_waiting, struct choppy_err *err);

/* What came of something that a lab's file expects. Valid while it is told. */
struct choppy_result {
	const char *expect; /* the file's words */
	bool decided, holds;
	const char *reason; /* why it does not hold, or "" */
	uint64_t at_ns; /* when it was decided, since the lab stood */
};

/* Tell @each all that is expected. @ret_decided: nothing is open any more. */
CHOPPY_API int choppy_expectations(const char *lab,
				   void (*each)(void *ctx, const struct choppy_result *r),
				   void *ctx, bool *ret_decided, struct choppy_err *err);

/*
 * Run @argv in node @name: a lab's, "LAB/NODE", or "NODE" where only one lab has it, as
 * choppy_run() does. Returns the exit status. @user: or NULL.
 */
CHOPPY_API int choppy_exec(const char *name, char *const argv[], const char *user,
			   struct choppy_err *err);

/*
 * Make the lab of @f, run @argv and end the lab, which ends with the calling process, too. @node:
 * where @argv runs; NULL: beside the lab, with its name in $CHOPPY_LAB. Returns the exit status.
 */
CHOPPY_API int choppy_run_file(struct choppy_file *f, const struct choppy_spec *spec,
			       const char *node, char *const argv[], struct choppy_err *err);

/* Whether the file says what must hold (`expect`). */
CHOPPY_API bool choppy_file_expects(const struct choppy_file *f);

/*
 * What the command of node @name ("LAB/NODE", or "NODE") has written, as a file to read: the
 * caller's to close. -ENOENT: it has none.
 */
CHOPPY_API int choppy_log_open(const char *name, struct choppy_err *err);

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
