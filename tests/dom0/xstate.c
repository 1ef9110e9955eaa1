/* Lets User-Mode Linux run on a processor that has more state than it knows of. `jail` preloads it into linux.uml.
 *
 * Its kernel keeps 832 bytes of a process's extended state, what AVX2 has, and hands those back with PTRACE_SETREGSET. The host takes the whole state
 * or none: where there is more (AVX-512, AMX), "ptrace set fp regs failed, errno = 14" ends the guest. So what lies beyond is kept here, for each
 * buffer of the kernel's, which is one for each thread of the guest.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define STATE_MAX 16384 /* AMX's is 11008 */
#define PLACES 1024
#define KNOWN_MAX 1024 /* more than the kernel's own 832 */

struct state {
	const void *buffer;
	unsigned char bytes[STATE_MAX];
};

static struct state kept[PLACES]; /* by buffer; where two buffers meet, the later one has the place */
static struct {
	pid_t pid;
	const void *buffer;
	unsigned char known[KNOWN_MAX];
} last; /* the process and buffer of the last transfer, either way: what has not changed since need not be set */
static long (*host_ptrace)(int, pid_t, void *, void *);

static struct state *kept_for(const void *buffer)
{
	return &kept[(unsigned long)buffer / 64 * 2654435761UL % PLACES];
}

static long transfer(int request, pid_t pid, unsigned char *bytes, size_t *size)
{
	struct iovec whole = { bytes, *size };
	long result = host_ptrace(request, pid, (void *)NT_X86_XSTATE, &whole);

	*size = whole.iov_len;
	return result;
}

static void remember(pid_t pid, const struct iovec *known)
{
	last.pid = known->iov_len <= KNOWN_MAX ? pid : 0;
	last.buffer = known->iov_base;
	if (last.pid)
		memcpy(last.known, known->iov_base, known->iov_len);
}

static long get(pid_t pid, struct iovec *wanted)
{
	struct state *place = kept_for(wanted->iov_base);
	size_t size = STATE_MAX;

	place->buffer = NULL;
	if (transfer(PTRACE_GETREGSET, pid, place->bytes, &size))
		return -1;
	place->buffer = wanted->iov_base;
	if (size < wanted->iov_len)
		wanted->iov_len = size;
	memcpy(wanted->iov_base, place->bytes, wanted->iov_len);
	remember(pid, wanted);
	return 0;
}

static long set(pid_t pid, struct iovec *given)
{
	static unsigned char whole[STATE_MAX];
	struct state *place = kept_for(given->iov_base);
	size_t size = STATE_MAX;

	if (pid == last.pid && given->iov_base == last.buffer && !memcmp(given->iov_base, last.known, given->iov_len))
		return 0;
	if (transfer(PTRACE_GETREGSET, pid, whole, &size))
		return -1;
	if (place->buffer == given->iov_base)
		memcpy(whole, place->bytes, size);
	memcpy(whole, given->iov_base, given->iov_len < size ? given->iov_len : size);
	last.pid = 0;
	if (transfer(PTRACE_SETREGSET, pid, whole, &size))
		return -1;
	remember(pid, given);
	return 0;
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	pid_t pid = va_arg(arguments, pid_t);
	void *address = va_arg(arguments, void *), *data = va_arg(arguments, void *);
	va_end(arguments);

	if (!host_ptrace)
		host_ptrace = (long (*)(int, pid_t, void *, void *))dlsym(RTLD_NEXT, "ptrace");
	if (address == (void *)NT_X86_XSTATE && request == PTRACE_GETREGSET)
		return get(pid, data);
	if (address == (void *)NT_X86_XSTATE && request == PTRACE_SETREGSET)
		return set(pid, data);
	return host_ptrace(request, pid, address, data);
}
