using KeyService.Server.Audit;
using KeyService.Server.Pipeline;

namespace KeyService.Tests.Server;

public sealed class CallRecorderTests
{
    [Fact]
    public async Task A_failure_is_told_to_who_asks_from_before_it_and_forgotten_for_who_asks_from_after()
    {
        await using var store = new MemoryStore();
        var recorder = new CallRecorder(store, TimeProvider.System);
        var before = TimeProvider.System.GetTimestamp();
        Assert.Null(recorder.FailureSince(before));

        store.Fails = true;
        await Assert.ThrowsAsync<Refusal>(() => recorder.RecordAsync(new AuditRecordDraft(AuditEvent.StatusRead), recorder.Start()));
        Assert.Equal("The disk is full.", recorder.FailureSince(before));
        // A probe that began later and found the store well again is not contradicted: otherwise a server that is told to get no calls
        // could never find out that it is well.
        Assert.Null(recorder.FailureSince(TimeProvider.System.GetTimestamp() + 1));

        store.Fails = false;
        await recorder.RecordAsync(new AuditRecordDraft(AuditEvent.StatusRead), recorder.Start());
        Assert.Null(recorder.FailureSince(before));
    }
}
