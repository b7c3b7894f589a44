/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spec.h - the options and words that say what to make or to change, shared by the
 * commands that take them.
 */
#ifndef CHOPPY_CLI_SPEC_H
#define CHOPPY_CLI_SPEC_H

#include "cmd.h"

struct spec_args {
	struct choppy_spec spec;
	char file[CHOPPY_PATH_MAX], node[CHOPPY_NODE_NAME_MAX + 1]; /* of run */
	bool verbose, summary, dry_run, json;
};

const char *spec_backend_choice(unsigned int i);
const char *spec_uplink_choice(unsigned int i);
int spec_parse_seed(void *spec, const char *value, struct opt_error *err);
int spec_parse_publish(void *spec, const char *value, struct opt_error *err);
int spec_parse_timeout(void *at, const char *value, struct opt_error *err);
int spec_parse_lateness(void *spec, const char *value, struct opt_error *err);
int spec_parse_name(void *spec, const char *value, struct opt_error *err);

/* Rows for a table over struct spec_args. */
/* clang-format off */
#define SPEC_OPTIONS                                                                               \
	{ .name = "addr", OPT_TEXT_AT(struct spec_args, spec.addr), .metavar = "CIDR",             \
	  .help = "network of the link, such as 10.1.1.0/31: the gateway gets its first "           \
		  "address, the node the next; an address inside it is the node's (default: a "    \
		  "free one, chosen by the lab's name)" },                                         \
	{ .name = "dev", OPT_TEXT_AT(struct spec_args, spec.dev), .metavar = "NAME",               \
	  .help = "name of the node's device (default: eth0)" },                                   \
	{ .name = "seed", .kind = OPT_CALL, .offset = offsetof(struct spec_args, spec),            \
	  .metavar = "N", .parse = spec_parse_seed,                                                \
	  .help = "number, decimal or 0x, that decides every verdict: the same seed gives the "    \
		  "same sequence (default: a new one, which is reported)" },                       \
	{ .name = "backend", .kind = OPT_CHOICE,                                                   \
	  .offset = offsetof(struct spec_args, spec.backend), .metavar = "engine|netem",           \
	  .choice = spec_backend_choice,                                                           \
	  .help = "who enforces the condition: choppy's own engine, the same everywhere, or the "  \
		  "kernel's netem (default: engine)" },                                            \
	{ .name = "super-packets", .kind = OPT_FLAG,                                               \
	  .offset = offsetof(struct spec_args, spec.super_packets),                                \
	  .help = "with --backend netem: hand it super-packets of up to 64 KiB, each of which it "   \
		  "takes as one packet (default: packets as on the wire)" },                       \
	{ .name = "uplink", .kind = OPT_CHOICE,                                                    \
	  .offset = offsetof(struct spec_args, spec.uplink), .metavar = "auto|nat|relay|none",     \
	  .choice = spec_uplink_choice,                                                            \
	  .help = "the way out: nat (the host forwards and masquerades; needs root), relay (an "   \
		  "ordinary process connects for the node) or none (nothing beyond the gateway); " \
		  "auto is nat with root and relay without (default: auto)" },                     \
	{ .name = "allow-host", .kind = OPT_FLAG,                                                  \
	  .offset = offsetof(struct spec_args, spec.allow_host),                                   \
	  .help = "let the node reach services on the host's loopback, as host.choppy.internal, "  \
		  "and link-local addresses" },                                                    \
	{ .name = "map-root", .kind = OPT_FLAG,                                                    \
	  .offset = offsetof(struct spec_args, spec.map_root),                                     \
	  .help = "without root: be root in the lab, with all powers over the node, so that "      \
		  "ip, tc, nft and tcpdump work in it" },                                          \
	{ .name = "publish", .letter = 'p', .kind = OPT_CALL, .repeat = true,                      \
	  .offset = offsetof(struct spec_args, spec), .metavar = "HOSTPORT:PORT",                  \
	  .parse = spec_parse_publish,                                                             \
	  .help = "let TCP connections to this port of the host in, to PORT in the node; may be "  \
		  "repeated" },                                                                    \
	{ .name = "verdicts", OPT_TEXT_AT(struct spec_args, spec.verdicts), .metavar = "FILE",     \
	  .help = "write a line for every packet that did not simply pass: lost, delayed by "      \
		  "chance, marked, ..., to read and to replay" },                                  \
	{ .name = "replay", OPT_TEXT_AT(struct spec_args, spec.replay), .metavar = "FILE",         \
	  .help = "apply the verdicts of FILE in place of chance, by packet number: what is not "  \
		  "in it passes" },                                                                \
	{ .name = "replay-by-flow", .kind = OPT_FLAG,                                              \
	  .offset = offsetof(struct spec_args, spec.replay_by_flow),                               \
	  .help = "find the verdicts of --replay by flow and number in it" },                      \
	{ .name = "dry-run", .letter = 'n', .kind = OPT_FLAG,                                      \
	  .offset = offsetof(struct spec_args, dry_run),                                           \
	  .help = "print the steps, a line each, and change nothing" }
/* clang-format on */

/*
 * Condition words as typed: an argument with spaces ("loss 30% delay 5ms") is
 * several words, with quotes inside it as a shell has them; one behind `match` or another word that
 * takes any text is one word as it is. free() *ret once; the words are in the same block.
 * 0 or -ENOMEM; -EINVAL: argument number *ret_n has a quote without its end.
 */
int spec_split(const char ***ret, int *ret_n, int n, const char *const *words);

/* Parse condition words into @change. Returns 0 or the exit status, said. */
int spec_condition(struct call *c, int n, const char *const *words, bool allow_clear,
		   struct choppy_change *change);

/* The same into @spec's directions. */
int spec_take_condition(struct call *c, int n, const char *const *words, struct choppy_spec *spec);

/*
 * When there is no lab @name but this machine has a device of that name: say
 * that it is left alone, and what to type instead. @words: the condition typed, or none.
 * Returns 0, or CHOPPY_EXIT_USAGE when it was said.
 */
int spec_if_device(struct call *c, const char *name, int n, const char *const *words);

#endif
