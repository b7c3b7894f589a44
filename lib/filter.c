/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filter.h"

#include "err.h"
#include "value.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#define SNAPLEN 65535

/*
 * The kernel knows more of a packet than its bytes; a program asks for that by loads from
 * beyond the end (SKF_AD_OFF and others), where we have nothing.
 */
static bool asks_for_more(const struct bpf_program *program)
{
	for (u_int i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *insn = &program->bf_insns[i];

		if (BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == BPF_ABS &&
		    insn->k > INT32_MAX)
			return true;
	}
	return false;
}

/* libpcap's instructions as our own, which have the same four fields. */
static int take_over(const struct bpf_program *program, struct match_insn **ret, uint32_t *n,
		     struct choppy_err *err)
{
	struct match_insn *insns;

	if (asks_for_more(program))
		return err_set(err, -EINVAL,
			       "it asks for what is in no packet: direction or device of a "
			       "capture");
	insns = calloc(program->bf_len, sizeof(*insns));
	if (!insns)
		return err_set(err, -ENOMEM, "no memory");
	for (u_int i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *from = &program->bf_insns[i];

		insns[i] = (struct match_insn){ from->code, from->jt, from->jf, from->k };
	}
	if (!match_program_sound(insns, program->bf_len)) {
		free(insns);
		return err_set(err, -EINVAL,
			       "libpcap makes a program of it that cannot be run safely (%u "
			       "instructions): simplify it",
			       program->bf_len);
	}
	*ret = insns;
	*n = program->bf_len;
	return 0;
}

static int compile(const char *expression, struct match_insn **ret, uint32_t *n,
		   struct choppy_err *err)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	struct bpf_program program;
	int r;

	if (!pcap)
		return err_set(err, -ENOMEM, "no memory");
	if (pcap_compile(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		r = err_set(err, -EINVAL, "%s", pcap_geterr(pcap));
	} else {
		r = take_over(&program, ret, n, err);
		pcap_freecode(&program);
	}
	pcap_close(pcap);
	return r;
}

int filter_compile(const char *expression, struct match_insn **ret, uint32_t *n,
		   struct choppy_err *err)
{
	char shown[WORD_BYTES];
	int r;

	word_shown(shown, expression);
	/* libpcap would take it for "every packet". */
	if (!expression[strspn(expression, " \t\n\r")])
		return err_set(err, -EINVAL,
			       "match needs an expression: for example 'tcp port 80', or 'ip or "
			       "ip6' for every IP packet");
	if (strlen(expression) >= CHOPPY_MATCH_MAX)
		return err_set(err, -EINVAL, "match '%s' has %zu characters, %d at most", shown,
			       strlen(expression), CHOPPY_MATCH_MAX - 1);
	r = compile(expression, ret, n, err);
	if (r < 0)
		err_prefix(err, "match '%s'", shown);
	return r;
}
