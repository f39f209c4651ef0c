"""Signals that ask to stop wait until somebody looks."""

import signal
import threading

from gesturebench.common.progress import asked_to_stop, blocked


def test_a_blocked_signal_is_seen_and_nothing_else_happens():
    assert not asked_to_stop()
    with blocked(signal.SIGUSR2):
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)  # other threads of the test run do not block it
        assert asked_to_stop()
        assert asked_to_stop()
        assert signal.sigwait({signal.SIGUSR2}) == signal.SIGUSR2  # else it would be delivered now
    assert not asked_to_stop()


def test_the_mask_is_as_before_afterwards():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with blocked(signal.SIGUSR1):
        assert signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
