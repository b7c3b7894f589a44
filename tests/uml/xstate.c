/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ptrace(2) for User-mode Linux on processors with more register state than it knows.
 *
 * That kernel keeps the floating point and vector registers of its processes in a struct _xstate,
 * which ends before AMX's tiles. A part of a register set may be read; but Linux writes all of it
 * or nothing (EFAULT; xstateregs_set() of arch/x86/kernel/fpu/regset.c), and the first process of
 * UML dies of that. So the rest is read before a part is written, and written back with it. Comes
 * in by LD_PRELOAD.
 */
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define STATE_MAX (64 << 10) /* AVX-512 ends at 2696, AMX at 11008 */

typedef long ptrace_fn(int request, pid_t pid, void *addr, void *data);

static long write_part(ptrace_fn *next, pid_t pid, void *addr, const struct iovec *part)
{
	/* One thread, whose stacks are small. */
	static unsigned char state[STATE_MAX];
	struct iovec whole = { state, sizeof(state) };
	long r = next(PTRACE_GETREGSET, pid, addr, &whole);

	if (r < 0)
		return r;
	memcpy(state, part->iov_base,
	       part->iov_len < whole.iov_len ? part->iov_len : whole.iov_len);
	return next(PTRACE_SETREGSET, pid, addr, &whole);
}

__attribute__((visibility("default"))) long ptrace(enum __ptrace_request request, ...)
{
	static ptrace_fn *next;
	pid_t pid;
	void *addr, *data;
	va_list ap;

	if (!next)
		next = (ptrace_fn *)dlsym(RTLD_NEXT, "ptrace");
	va_start(ap, request);
	pid = va_arg(ap, pid_t);
	addr = va_arg(ap, void *);
	data = va_arg(ap, void *);
	va_end(ap);
	if (request == PTRACE_SETREGSET && (uintptr_t)addr == NT_X86_XSTATE)
		return write_part(next, pid, addr, data);
	return next((int)request, pid, addr, data);
}
