/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fields of a condition, a row each: all that parsing, printing, JSON, help and checks know
 * of a field stands here. Rows that open a clause (CHOPPY_PLACE_CLAUSE) are followed by
 * the rows of what may stand in it, in the order in which it is printed.
 */
#include "fields.h"

#include <assert.h>
#include <string.h>

#include "util.h"
#include "value.h"

#define FIELD(member) offsetof(struct choppy_condition, member)

#define HOUR_NS (3600ull * 1000000000)
/* The kernel's netem counts in bytes per second: below 8 bit/s it would have none. */
#define RATE_MIN_BPS 8
#define RATE_MAX_BPS 1000000000000ull

static const char *const queue_names[] = {
	[CHOPPY_QUEUE_TAIL] = "tail",	[CHOPPY_QUEUE_HEAD] = "head",
	[CHOPPY_QUEUE_CODEL] = "codel", [CHOPPY_QUEUE_FQ_CODEL] = "fq_codel",
	[CHOPPY_QUEUE_PIE] = "pie",	[CHOPPY_QUEUE_RED] = "red",
	[CHOPPY_NQUEUES] = NULL,
};

static const char *const reject_names[] = {
	[CHOPPY_REJECT_UNREACHABLE] = "unreachable",
	[CHOPPY_REJECT_PROHIBITED] = "prohibited",
	[CHOPPY_REJECT_RESET] = "reset",
	[CHOPPY_NREJECTS] = NULL,
};

static const char *const trace_end_names[] = {
	[CHOPPY_TRACE_LOOP] = "loop",
	[CHOPPY_TRACE_HOLD] = "hold",
	[CHOPPY_TRACE_STOP] = "stop",
	[CHOPPY_NTRACE_ENDS] = NULL,
};

static const char *const trace_start_names[] = {
	[CHOPPY_TRACE_AT_ONCE] = "now",
	[CHOPPY_TRACE_FIRST_PACKET] = "first-packet",
	[CHOPPY_NTRACE_STARTS] = NULL,
};

const struct choppy_field_row fields[] = {
	[CHOPPY_DELAY] = { .name = "delay",
			   .word = "delay",
			   .place = CHOPPY_PLACE_CLAUSE,
			   .kind = CHOPPY_KIND_TIME,
			   .offset = FIELD(delay_ns),
			   .max = HOUR_NS,
			   .metavar = "TIME",
			   .help = "how much later each packet arrives, one way" },
	[CHOPPY_JITTER] = { .name = "jitter",
			    .place = CHOPPY_PLACE_VALUE,
			    .kind = CHOPPY_KIND_TIME,
			    .offset = FIELD(jitter_ns),
			    .max = HOUR_NS,
			    .needs = CHOPPY_FIELD_BIT(CHOPPY_DELAY),
			    .why_needs = "jitter spreads a delay; without a delay there is nothing "
					 "to spread: add e.g. delay 50ms",
			    .metavar = "JITTER",
			    .help = "the delay varies by this: evenly up to it either way, or, "
				    "with a distribution, with this standard deviation" },
	[CHOPPY_DELAY_CORRELATION] = { .name = "delay-correlation",
				       .place = CHOPPY_PLACE_VALUE,
				       .kind = CHOPPY_KIND_PROBABILITY,
				       .offset = FIELD(delay_correlation_ppb),
				       .max = ALWAYS_PPB,
				       .needs = CHOPPY_FIELD_BIT(CHOPPY_JITTER),
				       .why_needs = "a correlation of delays needs a jitter: for "
						    "example delay 50ms 10ms 25%",
				       .metavar = "CORRELATION",
				       .help = "correlation of a packet's delay with that of the "
					       "packet before it" },
	[CHOPPY_DISTRIBUTION] = { .name = "distribution",
				  .word = "distribution",
				  .place = CHOPPY_PLACE_WORD,
				  .kind = CHOPPY_KIND_DISTRIBUTION,
				  .offset = FIELD(distribution),
				  .needs = CHOPPY_FIELD_BIT(CHOPPY_JITTER),
				  .why_needs = "a distribution shapes a jitter: for example delay "
					       "50ms 10ms distribution normal",
				  .metavar = "NAME",
				  .help = "shape of the jitter: uniform, normal, pareto, "
					  "paretonormal, or the path of a tc distribution table" },
	[CHOPPY_LOSS] = { .name = "loss",
			  .word = "loss",
			  .place = CHOPPY_PLACE_CLAUSE,
			  .kind = CHOPPY_KIND_PROBABILITY,
			  .offset = FIELD(loss_ppb),
			  .max = ALWAYS_PPB,
			  .metavar = "PERCENT",
			  .help = "share of the packets that never arrive, each on its own" },
	[CHOPPY_LOSS_CORRELATION] = { .name = "loss-correlation",
				      .place = CHOPPY_PLACE_VALUE,
				      .kind = CHOPPY_KIND_PROBABILITY,
				      .offset = FIELD(loss_correlation_ppb),
				      .max = ALWAYS_PPB,
				      .needs = CHOPPY_FIELD_BIT(CHOPPY_LOSS),
				      .why_needs = "a correlation of losses needs their share: for "
						   "example loss 2% 25%",
				      .metavar = "CORRELATION",
				      .help = "correlation of a packet's loss with that of the "
					      "packet before it; the share stays as asked" },
	[CHOPPY_LOSS_BURST] = { .name = "loss-burst",
				.word = "burst",
				.place = CHOPPY_PLACE_WORD,
				.kind = CHOPPY_KIND_MEAN,
				.offset = FIELD(loss_burst_ppm),
				.min = 1000000,
				.max = 1000000000000,
				.needs = CHOPPY_FIELD_BIT(CHOPPY_LOSS),
				.why_needs = "a burst length needs the share that is lost: for "
					     "example loss 2% burst 5",
				.metavar = "PACKETS",
				.help = "losses come in runs of this many packets on average; the "
					"share stays as asked" },
	[CHOPPY_LOSS_EVERY] = { .name = "loss-every",
				.word = "every",
				.place = CHOPPY_PLACE_INSTEAD,
				.kind = CHOPPY_KIND_COUNT,
				.offset = FIELD(loss_every),
				.min = 1,
				.max = UINT32_MAX,
				.metavar = "N",
				.help = "every so many-th packet is lost" },
	[CHOPPY_GE_P] = { .name = "gemodel-p",
			  .word = "gemodel",
			  .place = CHOPPY_PLACE_INSTEAD,
			  .kind = CHOPPY_KIND_PROBABILITY,
			  .offset = FIELD(ge_p_ppb),
			  .max = ALWAYS_PPB,
			  .metavar = "P",
			  .example = "1%",
			  .help = "Gilbert-Elliott model: chance to go from the good to the bad "
				  "state" },
	[CHOPPY_GE_R] = { .name = "gemodel-r",
			  .place = CHOPPY_PLACE_VALUE,
			  .kind = CHOPPY_KIND_PROBABILITY,
			  .offset = FIELD(ge_r_ppb),
			  .max = ALWAYS_PPB,
			  .needs = CHOPPY_FIELD_BIT(CHOPPY_GE_P),
			  .why_needs = "r is a further value of loss gemodel P",
			  .metavar = "R",
			  .help = "chance to go from the bad to the good state; 100% - P when left "
				  "out" },
	[CHOPPY_GE_BAD] = { .name = "gemodel-1-h",
			    .place = CHOPPY_PLACE_VALUE,
			    .kind = CHOPPY_KIND_PROBABILITY,
			    .offset = FIELD(ge_bad_ppb),
			    .max = ALWAYS_PPB,
			    .needs = CHOPPY_FIELD_BIT(CHOPPY_GE_P),
			    .why_needs = "1-h is a further value of loss gemodel P",
			    .metavar = "1-H",
			    .help = "share lost in the bad state; 100% when left out" },
	[CHOPPY_GE_GOOD] = { .name = "gemodel-1-k",
			     .place = CHOPPY_PLACE_VALUE,
			     .kind = CHOPPY_KIND_PROBABILITY,
			     .offset = FIELD(ge_good_ppb),
			     .max = ALWAYS_PPB,
			     .needs = CHOPPY_FIELD_BIT(CHOPPY_GE_P),
			     .why_needs = "1-k is a further value of loss gemodel P",
			     .metavar = "1-K",
			     .help = "share lost in the good state; 0% when left out" },
	[CHOPPY_STATE_P13] = { .name = "state-p13",
			       .word = "state",
			       .place = CHOPPY_PLACE_INSTEAD,
			       .kind = CHOPPY_KIND_PROBABILITY,
			       .offset = FIELD(state_p13_ppb),
			       .max = ALWAYS_PPB,
			       .metavar = "P13",
			       .example = "1%",
			       .help = "four-state model: chance to go from good (1) to lost in a "
				       "burst (3)" },
	[CHOPPY_STATE_P31] = { .name = "state-p31",
			       .place = CHOPPY_PLACE_VALUE,
			       .kind = CHOPPY_KIND_PROBABILITY,
			       .offset = FIELD(state_p31_ppb),
			       .max = ALWAYS_PPB,
			       .needs = CHOPPY_FIELD_BIT(CHOPPY_STATE_P13),
			       .why_needs = "p31 is a further value of loss state P13",
			       .metavar = "P31",
			       .help = "from lost in a burst (3) to good (1); 100% - P13 when left "
				       "out" },
	[CHOPPY_STATE_P32] = { .name = "state-p32",
			       .place = CHOPPY_PLACE_VALUE,
			       .kind = CHOPPY_KIND_PROBABILITY,
			       .offset = FIELD(state_p32_ppb),
			       .max = ALWAYS_PPB,
			       .needs = CHOPPY_FIELD_BIT(CHOPPY_STATE_P13),
			       .why_needs = "p32 is a further value of loss state P13",
			       .metavar = "P32",
			       .help = "from lost in a burst (3) to good within it (2); 0% when "
				       "left out" },
	[CHOPPY_STATE_P23] = { .name = "state-p23",
			       .place = CHOPPY_PLACE_VALUE,
			       .kind = CHOPPY_KIND_PROBABILITY,
			       .offset = FIELD(state_p23_ppb),
			       .max = ALWAYS_PPB,
			       .needs = CHOPPY_FIELD_BIT(CHOPPY_STATE_P13),
			       .why_needs = "p23 is a further value of loss state P13",
			       .metavar = "P23",
			       .help = "from good within a burst (2) to lost in it (3); 100% when "
				       "left out" },
	[CHOPPY_STATE_P14] = { .name = "state-p14",
			       .place = CHOPPY_PLACE_VALUE,
			       .kind = CHOPPY_KIND_PROBABILITY,
			       .offset = FIELD(state_p14_ppb),
			       .max = ALWAYS_PPB,
			       .needs = CHOPPY_FIELD_BIT(CHOPPY_STATE_P13),
			       .why_needs = "p14 is a further value of loss state P13",
			       .metavar = "P14",
			       .help = "from good (1) to lost alone (4); 0% when left out" },
	[CHOPPY_DROP] = { .name = "drop",
			  .word = "drop",
			  .place = CHOPPY_PLACE_CLAUSE,
			  .kind = CHOPPY_KIND_LIST,
			  .offset = FIELD(drop),
			  .min = 1,
			  .metavar = "LIST",
			  .help = "exactly these packets are lost, by their number: 1,3,7-9" },
	[CHOPPY_DUPLICATE] = { .name = "duplicate",
			       .word = "duplicate",
			       .place = CHOPPY_PLACE_CLAUSE,
			       .kind = CHOPPY_KIND_PROBABILITY,
			       .offset = FIELD(duplicate_ppb),
			       .max = ALWAYS_PPB,
			       .metavar = "PERCENT",
			       .help = "share of the packets that arrive twice" },
	[CHOPPY_DUPLICATE_CORRELATION] = { .name = "duplicate-correlation",
					   .place = CHOPPY_PLACE_VALUE,
					   .kind = CHOPPY_KIND_PROBABILITY,
					   .offset = FIELD(duplicate_correlation_ppb),
					   .max = ALWAYS_PPB,
					   .needs = CHOPPY_FIELD_BIT(CHOPPY_DUPLICATE),
					   .why_needs = "a correlation needs the share: for "
							"example duplicate 1% 25%",
					   .metavar = "CORRELATION",
					   .help = "correlation with the packet before" },
	[CHOPPY_CORRUPT] = { .name = "corrupt",
			     .word = "corrupt",
			     .place = CHOPPY_PLACE_CLAUSE,
			     .kind = CHOPPY_KIND_PROBABILITY,
			     .offset = FIELD(corrupt_ppb),
			     .max = ALWAYS_PPB,
			     .metavar = "PERCENT",
			     .help = "share of the packets of which one bit is wrong: the receiver "
				     "sees a bad checksum" },
	[CHOPPY_CORRUPT_CORRELATION] = { .name = "corrupt-correlation",
					 .place = CHOPPY_PLACE_VALUE,
					 .kind = CHOPPY_KIND_PROBABILITY,
					 .offset = FIELD(corrupt_correlation_ppb),
					 .max = ALWAYS_PPB,
					 .needs = CHOPPY_FIELD_BIT(CHOPPY_CORRUPT),
					 .why_needs = "a correlation needs the share: for example "
						      "corrupt 1% 25%",
					 .metavar = "CORRELATION",
					 .help = "correlation with the packet before" },
	[CHOPPY_CORRUPT_FIX] = { .name = "corrupt-fix",
				 .word = "fix",
				 .place = CHOPPY_PLACE_WORD,
				 .kind = CHOPPY_KIND_FLAG,
				 .offset = FIELD(corrupt_fix),
				 .min = 1,
				 .max = 1,
				 .needs = CHOPPY_FIELD_BIT(CHOPPY_CORRUPT),
				 .why_needs = "fix needs the share: for example corrupt 1% fix",
				 .help = "the wrong bit is in the payload and the checksum mended: "
					 "the application sees it" },
	[CHOPPY_REORDER] = { .name = "reorder",
			     .word = "reorder",
			     .place = CHOPPY_PLACE_CLAUSE,
			     .kind = CHOPPY_KIND_PROBABILITY,
			     .offset = FIELD(reorder_ppb),
			     .max = ALWAYS_PPB,
			     .metavar = "PERCENT",
			     .help = "share of the packets that change places: they skip the "
				     "delay, or, with by, are overtaken" },
	[CHOPPY_REORDER_CORRELATION] = { .name = "reorder-correlation",
					 .place = CHOPPY_PLACE_VALUE,
					 .kind = CHOPPY_KIND_PROBABILITY,
					 .offset = FIELD(reorder_correlation_ppb),
					 .max = ALWAYS_PPB,
					 .needs = CHOPPY_FIELD_BIT(CHOPPY_REORDER),
					 .why_needs = "a correlation needs the share: for example "
						      "reorder 25% 50%",
					 .metavar = "CORRELATION",
					 .help = "correlation with the packet before" },
	[CHOPPY_REORDER_GAP] = { .name = "reorder-gap",
				 .word = "gap",
				 .place = CHOPPY_PLACE_WORD,
				 .kind = CHOPPY_KIND_COUNT,
				 .offset = FIELD(reorder_gap),
				 .min = 1,
				 .max = UINT32_MAX,
				 .needs = CHOPPY_FIELD_BIT(CHOPPY_REORDER),
				 .why_needs =
					 "a gap needs the share: for example reorder 25% gap 5",
				 .metavar = "N",
				 .help = "only every so many-th packet may skip the delay" },
	[CHOPPY_REORDER_BY] = { .name = "reorder-by",
				.word = "by",
				.place = CHOPPY_PLACE_WORD,
				.kind = CHOPPY_KIND_COUNT,
				.offset = FIELD(reorder_by),
				.min = 1,
				.max = 1000,
				.needs = CHOPPY_FIELD_BIT(CHOPPY_REORDER),
				.why_needs = "by needs the share: for example reorder 1% by 3",
				.metavar = "N",
				.help = "a reordered packet is overtaken by so many" },
	[CHOPPY_REORDER_WITHIN] = { .name = "reorder-within",
				    .word = "within",
				    .place = CHOPPY_PLACE_WORD,
				    .kind = CHOPPY_KIND_TIME,
				    .offset = FIELD(reorder_within_ns),
				    .min = 1000,
				    .max = HOUR_NS,
				    .needs = CHOPPY_FIELD_BIT(CHOPPY_REORDER_BY),
				    .why_needs =
					    "within is how long a packet waits to be overtaken: "
					    "for example reorder 1% by 3 within 50ms",
				    .metavar = "TIME",
				    .help = "and waits for them no longer than this; 100ms when "
					    "left out" },
	[CHOPPY_REORDER_JITTER] = { .name = "reorder-jitter",
				    .word = "jitter",
				    .place = CHOPPY_PLACE_INSTEAD,
				    .kind = CHOPPY_KIND_FLAG,
				    .offset = FIELD(reorder_jitter),
				    .min = 1,
				    .max = 1,
				    .needs = CHOPPY_FIELD_BIT(CHOPPY_JITTER),
				    .why_needs = "reorder jitter lets a jitter change the order: "
						 "for example delay 50ms 10ms reorder jitter",
				    .help = "packets leave by their own delay, and so overtake "
					    "each other" },
	[CHOPPY_RATE] = { .name = "rate",
			  .word = "rate",
			  .place = CHOPPY_PLACE_CLAUSE,
			  .kind = CHOPPY_KIND_RATE,
			  .offset = FIELD(rate_bps),
			  .min = RATE_MIN_BPS,
			  .max = RATE_MAX_BPS,
			  .metavar = "RATE",
			  .help = "bits of whole frames per second" },
	[CHOPPY_RATE_BURST] = { .name = "rate-burst",
				.word = "burst",
				.place = CHOPPY_PLACE_WORD,
				.kind = CHOPPY_KIND_SIZE,
				.offset = FIELD(rate_burst_bytes),
				.min = 1,
				.max = 1ull << 30,
				.needs = CHOPPY_FIELD_BIT(CHOPPY_RATE),
				.why_needs =
					"a burst needs a rate: for example rate 10mbit burst 64kb",
				.metavar = "SIZE",
				.help = "so much may pass at once after a pause" },
	[CHOPPY_OVERHEAD] = { .name = "overhead",
			      .word = "overhead",
			      .place = CHOPPY_PLACE_CLAUSE,
			      .kind = CHOPPY_KIND_OVERHEAD,
			      .offset = FIELD(overhead),
			      .needs = CHOPPY_FIELD_BIT(CHOPPY_RATE),
			      .why_needs = "overhead counts for a rate: add e.g. rate 10mbit",
			      .metavar = "FRAMING",
			      .example = "ethernet",
			      .help = "framing that the rate counts with each packet: ethernet, "
				      "pppoe, or bytes, which may be negative" },
	[CHOPPY_CELL_SIZE] = { .name = "cell-size",
			       .word = "cells",
			       .place = CHOPPY_PLACE_WORD,
			       .kind = CHOPPY_KIND_SIZE,
			       .optional = true,
			       .otherwise = 48,
			       .offset = FIELD(cell_size_bytes),
			       .min = 1,
			       .max = 65535,
			       .needs = CHOPPY_FIELD_BIT(CHOPPY_OVERHEAD),
			       .why_needs = "cells are part of a framing: for example overhead "
					    "18bytes cells",
			       .metavar = "SIZE",
			       .example = "48bytes",
			       .help = "packets fill whole cells of so much payload; 48bytes when "
				       "left out" },
	[CHOPPY_CELL_OVERHEAD] = { .name = "cell-overhead",
				   .place = CHOPPY_PLACE_VALUE,
				   .kind = CHOPPY_KIND_SIZE,
				   .offset = FIELD(cell_overhead_bytes),
				   .max = 65535,
				   .needs = CHOPPY_FIELD_BIT(CHOPPY_CELL_SIZE),
				   .why_needs = "a cell has a size first: for example overhead "
						"18bytes cells 48bytes 5bytes",
				   .metavar = "OVERHEAD",
				   .example = "5bytes",
				   .help = "and each cell has so much more; 5bytes when left out" },
	[CHOPPY_LIMIT] = { .name = "limit",
			   .word = "limit",
			   .place = CHOPPY_PLACE_CLAUSE,
			   .kind = CHOPPY_KIND_AMOUNT,
			   .offset = FIELD(limit),
			   .min = 1,
			   .max = UINT64_MAX,
			   .units = CHOPPY_UNIT_BIT(CHOPPY_PACKETS) |
				    CHOPPY_UNIT_BIT(CHOPPY_BYTES) |
				    CHOPPY_UNIT_BIT(CHOPPY_NANOSECONDS),
			   .needs = CHOPPY_FIELD_BIT(CHOPPY_RATE) | CHOPPY_FIELD_BIT(CHOPPY_TRACE),
			   .why_needs = "limit is the length of the queue before a rate; without a "
					"rate there is no queue: add e.g. rate 10mbit",
			   .metavar = "AMOUNT",
			   .help = "length of the queue before the rate, in packets, bytes or "
				   "time" },
	[CHOPPY_QUEUE] = { .name = "queue",
			   .word = "queue",
			   .place = CHOPPY_PLACE_CLAUSE,
			   .kind = CHOPPY_KIND_CHOICE,
			   .offset = FIELD(queue),
			   .max = CHOPPY_NQUEUES - 1,
			   .choices = queue_names,
			   .needs = CHOPPY_FIELD_BIT(CHOPPY_RATE) | CHOPPY_FIELD_BIT(CHOPPY_TRACE),
			   .why_needs = "a queue stands before a rate; without a rate there is "
					"none: add e.g. rate 10mbit",
			   .metavar = "DISCIPLINE",
			   .example = "codel",
			   .help = "what the queue before the rate drops: tail, head, codel, "
				   "fq_codel, pie, red" },
	[CHOPPY_QUEUE_TARGET] = { .name = "queue-target",
				  .word = "target",
				  .place = CHOPPY_PLACE_WORD,
				  .kind = CHOPPY_KIND_TIME,
				  .offset = FIELD(queue_target_ns),
				  .min = 1,
				  .max = HOUR_NS,
				  .needs = CHOPPY_FIELD_BIT(CHOPPY_QUEUE),
				  .why_needs = "this is a word of queue: for example queue codel "
					       "target 5ms",
				  .metavar = "TIME",
				  .example = "5ms",
				  .help = "delay that codel, fq_codel (5ms) and pie (15ms) aim "
					  "at" },
	[CHOPPY_QUEUE_INTERVAL] = { .name = "queue-interval",
				    .word = "interval",
				    .place = CHOPPY_PLACE_WORD,
				    .kind = CHOPPY_KIND_TIME,
				    .offset = FIELD(queue_interval_ns),
				    .min = 1,
				    .max = HOUR_NS,
				    .needs = CHOPPY_FIELD_BIT(CHOPPY_QUEUE),
				    .why_needs = "this is a word of queue: for example queue codel "
						 "target 5ms",
				    .metavar = "TIME",
				    .help = "for how long the delay is above before codel and "
					    "fq_codel (100ms) drop" },
	[CHOPPY_QUEUE_TUPDATE] = { .name = "queue-tupdate",
				   .word = "tupdate",
				   .place = CHOPPY_PLACE_WORD,
				   .kind = CHOPPY_KIND_TIME,
				   .offset = FIELD(queue_tupdate_ns),
				   .min = 1000,
				   .max = HOUR_NS,
				   .needs = CHOPPY_FIELD_BIT(CHOPPY_QUEUE),
				   .why_needs = "this is a word of queue: for example queue codel "
						"target 5ms",
				   .metavar = "TIME",
				   .help = "how often pie (15ms) looks" },
	[CHOPPY_QUEUE_FLOWS] = { .name = "queue-flows",
				 .word = "flows",
				 .place = CHOPPY_PLACE_WORD,
				 .kind = CHOPPY_KIND_COUNT,
				 .offset = FIELD(queue_flows),
				 .min = 1,
				 .max = 65536,
				 .needs = CHOPPY_FIELD_BIT(CHOPPY_QUEUE),
				 .why_needs = "this is a word of queue: for example queue codel "
					      "target 5ms",
				 .metavar = "N",
				 .example = "1024",
				 .help = "queues of fq_codel (1024)" },
	[CHOPPY_QUEUE_QUANTUM] = { .name = "queue-quantum",
				   .word = "quantum",
				   .place = CHOPPY_PLACE_WORD,
				   .kind = CHOPPY_KIND_SIZE,
				   .offset = FIELD(queue_quantum_bytes),
				   .min = 1,
				   .max = 1ull << 20,
				   .needs = CHOPPY_FIELD_BIT(CHOPPY_QUEUE),
				   .why_needs = "this is a word of queue: for example queue codel "
						"target 5ms",
				   .metavar = "SIZE",
				   .help = "bytes of a flow's turn in fq_codel (1514bytes)" },
	[CHOPPY_QUEUE_MIN] = { .name = "queue-min",
			       .word = "min",
			       .place = CHOPPY_PLACE_WORD,
			       .kind = CHOPPY_KIND_SIZE,
			       .offset = FIELD(queue_min_bytes),
			       .min = 1,
			       .max = 1ull << 36,
			       .needs = CHOPPY_FIELD_BIT(CHOPPY_QUEUE),
			       .why_needs = "this is a word of queue: for example queue codel "
					    "target 5ms",
			       .metavar = "SIZE",
			       .help = "average length from which red drops" },
	[CHOPPY_QUEUE_MAX] = { .name = "queue-max",
			       .word = "max",
			       .place = CHOPPY_PLACE_WORD,
			       .kind = CHOPPY_KIND_SIZE,
			       .offset = FIELD(queue_max_bytes),
			       .min = 2,
			       .max = 1ull << 36,
			       .needs = CHOPPY_FIELD_BIT(CHOPPY_QUEUE),
			       .why_needs = "this is a word of queue: for example queue codel "
					    "target 5ms",
			       .metavar = "SIZE",
			       .help = "average length at which red drops with its probability, "
				       "and above it all" },
	[CHOPPY_QUEUE_PROBABILITY] = { .name = "queue-probability",
				       .word = "probability",
				       .place = CHOPPY_PLACE_WORD,
				       .kind = CHOPPY_KIND_PROBABILITY,
				       .offset = FIELD(queue_probability_ppb),
				       .max = ALWAYS_PPB,
				       .needs = CHOPPY_FIELD_BIT(CHOPPY_QUEUE),
				       .why_needs = "this is a word of queue: for example queue "
						    "codel target 5ms",
				       .metavar = "PERCENT",
				       .help = "highest share that red drops below max (2%)" },
	[CHOPPY_ECN] = { .name = "ecn",
			 .word = "ecn",
			 .place = CHOPPY_PLACE_CLAUSE,
			 .kind = CHOPPY_KIND_FLAG,
			 .offset = FIELD(ecn),
			 .min = 1,
			 .max = 1,
			 .needs = CHOPPY_FIELD_BIT(CHOPPY_LOSS) |
				  CHOPPY_FIELD_BIT(CHOPPY_LOSS_EVERY) |
				  CHOPPY_FIELD_BIT(CHOPPY_GE_P) |
				  CHOPPY_FIELD_BIT(CHOPPY_STATE_P13) |
				  CHOPPY_FIELD_BIT(CHOPPY_QUEUE),
			 .why_needs = "ecn marks where a loss or a queue would drop: add e.g. loss "
				      "1% or queue codel",
			 .help = "ECN-capable packets are marked where loss or queue management "
				 "would drop them" },
	[CHOPPY_SLOT] = { .name = "slot",
			  .word = "slot",
			  .place = CHOPPY_PLACE_CLAUSE,
			  .kind = CHOPPY_KIND_TIME,
			  .offset = FIELD(slot_ns),
			  .max = HOUR_NS,
			  .metavar = "MIN",
			  .help = "packets leave in slots, at least this apart" },
	[CHOPPY_SLOT_MAX] = { .name = "slot-max",
			      .place = CHOPPY_PLACE_VALUE,
			      .kind = CHOPPY_KIND_TIME,
			      .offset = FIELD(slot_max_ns),
			      .max = HOUR_NS,
			      .needs = CHOPPY_FIELD_BIT(CHOPPY_SLOT),
			      .why_needs =
				      "a slot has a least time first: for example slot 5ms 10ms",
			      .metavar = "MAX",
			      .help = "and at most this; as MIN when left out" },
	[CHOPPY_SLOT_DISTRIBUTION] = { .name = "slot-distribution",
				       .word = "distribution",
				       .place = CHOPPY_PLACE_INSTEAD,
				       .kind = CHOPPY_KIND_DISTRIBUTION,
				       .offset = FIELD(slot_distribution),
				       .metavar = "NAME",
				       .help = "time between slots by a distribution" },
	[CHOPPY_SLOT_DELAY] = { .name = "slot-delay",
				.place = CHOPPY_PLACE_VALUE,
				.kind = CHOPPY_KIND_TIME,
				.offset = FIELD(slot_delay_ns),
				.max = HOUR_NS,
				.needs = CHOPPY_FIELD_BIT(CHOPPY_SLOT_DISTRIBUTION),
				.why_needs = "a slot distribution has a mean and a deviation: for "
					     "example slot distribution normal 10ms 2ms",
				.metavar = "DELAY",
				.help = "of this mean" },
	[CHOPPY_SLOT_JITTER] = { .name = "slot-jitter",
				 .place = CHOPPY_PLACE_VALUE,
				 .kind = CHOPPY_KIND_TIME,
				 .offset = FIELD(slot_jitter_ns),
				 .max = HOUR_NS,
				 .needs = CHOPPY_FIELD_BIT(CHOPPY_SLOT_DISTRIBUTION),
				 .why_needs = "a slot distribution has a mean and a deviation: for "
					      "example slot distribution normal 10ms 2ms",
				 .metavar = "JITTER",
				 .help = "and this standard deviation" },
	[CHOPPY_SLOT_PACKETS] = { .name = "slot-packets",
				  .word = "packets",
				  .place = CHOPPY_PLACE_WORD,
				  .kind = CHOPPY_KIND_COUNT,
				  .offset = FIELD(slot_packets),
				  .min = 1,
				  .max = INT32_MAX,
				  .needs = CHOPPY_FIELD_BIT(CHOPPY_SLOT) |
					   CHOPPY_FIELD_BIT(CHOPPY_SLOT_DISTRIBUTION),
				  .why_needs = "a slot has a time: for example slot 5ms packets 10",
				  .metavar = "N",
				  .help = "so many packets leave in a slot at most" },
	[CHOPPY_SLOT_BYTES] = { .name = "slot-bytes",
				.word = "bytes",
				.place = CHOPPY_PLACE_WORD,
				.kind = CHOPPY_KIND_SIZE,
				.offset = FIELD(slot_bytes),
				.min = 1,
				.max = INT32_MAX,
				.needs = CHOPPY_FIELD_BIT(CHOPPY_SLOT) |
					 CHOPPY_FIELD_BIT(CHOPPY_SLOT_DISTRIBUTION),
				.why_needs = "a slot has a time: for example slot 5ms packets 10",
				.metavar = "SIZE",
				.help = "so many bytes leave in a slot, and the packet that "
					"reaches them" },
	[CHOPPY_TRACE] = { .name = "trace",
			   .word = "trace",
			   .place = CHOPPY_PLACE_CLAUSE,
			   .kind = CHOPPY_KIND_TRACE,
			   .offset = FIELD(trace),
			   .metavar = "FILE",
			   .help = "values over time out of a file (mahimahi, or CSV with named "
				   "columns), or a built-in one" },
	[CHOPPY_TRACE_END] = { .name = "trace-end",
			       .word = "then",
			       .place = CHOPPY_PLACE_WORD,
			       .kind = CHOPPY_KIND_CHOICE,
			       .offset = FIELD(trace_end),
			       .max = CHOPPY_NTRACE_ENDS - 1,
			       .choices = trace_end_names,
			       .needs = CHOPPY_FIELD_BIT(CHOPPY_TRACE),
			       .why_needs = "then is what follows a trace: for example trace FILE "
					    "then hold",
			       .metavar = "loop|hold|stop",
			       .help = "at its end: loop, hold the last values, or stop" },
	[CHOPPY_TRACE_START] = { .name = "trace-start",
				 .word = "from",
				 .place = CHOPPY_PLACE_WORD,
				 .kind = CHOPPY_KIND_CHOICE,
				 .offset = FIELD(trace_start),
				 .max = CHOPPY_NTRACE_STARTS - 1,
				 .choices = trace_start_names,
				 .needs = CHOPPY_FIELD_BIT(CHOPPY_TRACE),
				 .why_needs = "from is where a trace begins: for example trace "
					      "FILE from first-packet",
				 .metavar = "now|first-packet",
				 .help = "it begins at once or with the first packet" },
	[CHOPPY_OUTAGE] = { .name = "outage",
			    .word = "outage",
			    .place = CHOPPY_PLACE_CLAUSE,
			    .kind = CHOPPY_KIND_FLAG,
			    .offset = FIELD(outage),
			    .min = 1,
			    .max = 1,
			    .help = "nothing passes" },
	[CHOPPY_FLAP] = { .name = "flap",
			  .word = "flap",
			  .place = CHOPPY_PLACE_CLAUSE,
			  .kind = CHOPPY_KIND_CYCLE,
			  .offset = FIELD(flap),
			  .min = 1000,
			  .max = HOUR_NS,
			  .metavar = "PERIOD/OUT",
			  .example = "5s/500ms",
			  .help = "again and again an outage: in every PERIOD the link is out at "
				  "its end for OUT" },
	[CHOPPY_REJECT] = { .name = "reject",
			    .word = "reject",
			    .place = CHOPPY_PLACE_CLAUSE,
			    .kind = CHOPPY_KIND_CHOICE,
			    .optional = true,
			    .otherwise = CHOPPY_REJECT_UNREACHABLE,
			    .offset = FIELD(reject),
			    .max = CHOPPY_NREJECTS - 1,
			    .choices = reject_names,
			    .metavar = "ANSWER",
			    .help = "packets (with flap: those of its outages) are refused, and "
				    "the sender told: unreachable, prohibited, reset" },
	[CHOPPY_MTU] = { .name = "mtu",
			 .word = "mtu",
			 .place = CHOPPY_PLACE_CLAUSE,
			 .kind = CHOPPY_KIND_COUNT,
			 .offset = FIELD(mtu_bytes),
			 .min = 68,
			 .max = 65535,
			 .metavar = "BYTES",
			 .example = "1400",
			 .help = "packets longer than so many bytes from the IP header on do not "
				 "pass; the sender is told" },
	[CHOPPY_MTU_SILENT] = { .name = "mtu-silent",
				.word = "silent",
				.place = CHOPPY_PLACE_WORD,
				.kind = CHOPPY_KIND_FLAG,
				.offset = FIELD(mtu_silent),
				.min = 1,
				.max = 1,
				.needs = CHOPPY_FIELD_BIT(CHOPPY_MTU),
				.why_needs = "silent is a word of mtu: for example mtu 1400 silent",
				.help = "the sender is not told: a black hole" },
	[CHOPPY_INFLIGHT] = { .name = "inflight",
			      .word = "inflight",
			      .place = CHOPPY_PLACE_CLAUSE,
			      .kind = CHOPPY_KIND_COUNT,
			      .offset = FIELD(inflight),
			      .min = 1,
			      .max = UINT32_MAX,
			      .metavar = "PACKETS",
			      .example = "1000",
			      .help = "the limit of the kernel's netem: so many packets may be on "
				      "their way, those in the delay line too" },
	[CHOPPY_NETEM_RAW] = { .name = "netem-raw",
			       .word = "netem-raw",
			       .place = CHOPPY_PLACE_CLAUSE,
			       .kind = CHOPPY_KIND_FLAG,
			       .offset = FIELD(netem_raw),
			       .min = 1,
			       .max = 1,
			       .help = "jitter and correlations as the kernel's netem has them: "
				       "jitter reorders, and a correlation changes the share" },
};
static_assert(ARRAY_SIZE(fields) == CHOPPY_NFIELDS, "a row for every field");
static_assert(CHOPPY_NFIELDS <= 63, "a bit for every field, and arithmetic on them");

const char *const dir_words[] = { [CHOPPY_UP] = "up", [CHOPPY_DOWN] = "down" };
static_assert(ARRAY_SIZE(dir_words) == CHOPPY_NDIRS, "a word for every direction");

const struct choppy_field_row *choppy_fields(void)
{
	return fields;
}

/* ------------------------------------------------------------------- names */

static const char *const drop_names[] = {
	[CHOPPY_DROP_LOSS] = "loss",	 [CHOPPY_DROP_LIST] = "list",
	[CHOPPY_DROP_OUTAGE] = "outage", [CHOPPY_DROP_REJECT] = "reject",
	[CHOPPY_DROP_MTU] = "mtu",	 [CHOPPY_DROP_QUEUE] = "queue",
	[CHOPPY_DROP_AQM] = "aqm",	 [CHOPPY_DROP_REPLAY] = "replay",
	[CHOPPY_DROP_MEMORY] = "memory", [CHOPPY_DROP_RECEIVE] = "receive",
	[CHOPPY_DROP_SEND] = "send",
};
static_assert(ARRAY_SIZE(drop_names) == CHOPPY_NDROPS, "a name for every reason");

static const char *const backend_names[] = { [CHOPPY_ENGINE] = "engine", [CHOPPY_NETEM] = "netem" };
static_assert(ARRAY_SIZE(backend_names) == CHOPPY_NBACKENDS, "a name for every backend");

const char *const uplink_names[] = {
	[CHOPPY_UPLINK_AUTO] = "auto", [CHOPPY_UPLINK_NAT] = "nat", [CHOPPY_UPLINK_RELAY] = "relay",
	[CHOPPY_UPLINK_NONE] = "none", [CHOPPY_NUPLINKS] = NULL,
};
static_assert(ARRAY_SIZE(uplink_names) == CHOPPY_NUPLINKS + 1, "a name for every uplink");

static const char *name_of(const char *const *names, size_t n, unsigned int i)
{
	return i < n ? names[i] : "unknown";
}

const char *choppy_drop_name(enum choppy_drop reason)
{
	return name_of(drop_names, ARRAY_SIZE(drop_names), reason);
}

const char *choppy_backend_name(enum choppy_backend b)
{
	return name_of(backend_names, ARRAY_SIZE(backend_names), b);
}

const char *choppy_uplink_name(enum choppy_uplink u)
{
	return name_of(uplink_names, CHOPPY_NUPLINKS, u);
}

/* ----------------------------------------------------------------- clauses */

int clause_begin(int field)
{
	while (fields[field].place != CHOPPY_PLACE_CLAUSE)
		field--;
	return field;
}

int clause_end(int field)
{
	do
		field++;
	while (field < CHOPPY_NFIELDS && fields[field].place != CHOPPY_PLACE_CLAUSE);
	return field;
}

uint64_t clause_mask(int field)
{
	return CHOPPY_FIELD_BIT(clause_end(field)) - CHOPPY_FIELD_BIT(clause_begin(field));
}

int group_end(int head)
{
	do
		head++;
	while (head < CHOPPY_NFIELDS && fields[head].place == CHOPPY_PLACE_VALUE);
	return head;
}

/* ------------------------------------------------------------------ values */

bool field_set(const struct choppy_condition *c, int field)
{
	return c->set & CHOPPY_FIELD_BIT(field);
}

void *field_value(struct choppy_condition *c, int field)
{
	return (char *)c + fields[field].offset;
}

const void *field_const_value(const struct choppy_condition *c, int field)
{
	return (const char *)c + fields[field].offset;
}

bool fields_equal(const struct choppy_condition *a, const struct choppy_condition *b, uint64_t mask)
{
	int f;

	if ((a->set ^ b->set) & mask)
		return false;
	for (f = 0; f < CHOPPY_NFIELDS; f++)
		if ((a->set & mask & CHOPPY_FIELD_BIT(f)) &&
		    !value_equal(fields[f].kind, field_const_value(a, f), field_const_value(b, f)))
			return false;
	return true;
}
