using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using KeyService.Protocol.Approvals;
using KeyService.Protocol.V1;

namespace KeyService.Tests.Approvals;

/// <summary>docs/spec/approvals.md, parameters.</summary>
public sealed class MessageParametersTests
{
    [Fact]
    public void Every_field_that_is_set_stands_there_in_its_order()
    {
        var request = new ScheduleDestructionRequest
        {
            RequestId = "r", Key = "lab/results", KeyVersions = { "b", "a" }, Wait = new Duration { Seconds = 604800 }, Reason = "new\nline",
        };
        Assert.Equal(
            [("request_id", "r"), ("key", "lab/results"), ("key_versions[0]", "b"), ("key_versions[1]", "a"), ("wait", "604800s"), ("reason", "new\nline")],
            MessageParameters.Of(request));
        Assert.Empty(MessageParameters.Of(new ScheduleDestructionRequest()));
    }

    [Fact]
    public void Messages_times_enumerations_truths_and_bytes_have_their_forms()
    {
        var policy = new SetKeyPolicyRequest { Name = "k", Rotation = new RotationPolicy { Period = new Duration { Seconds = 1, Nanos = 500 }, Limit = new Duration() } };
        Assert.Equal([("name", "k"), ("rotation.period", "1.000000500s"), ("rotation.limit", "0s")], MessageParameters.Of(policy));
        Assert.Equal([("rotation", "set")], MessageParameters.Of(new SetKeyPolicyRequest { Rotation = new RotationPolicy() }));
        var change = new ChangeKeyVersionStateRequest { State = KeyState.Compromised, StopProcessing = true, SuspectedSince = new Timestamp { Seconds = 1_800_000_000 } };
        Assert.Equal(
            [("state", "KEY_STATE_COMPROMISED"), ("suspected_since", "2027-01-15T08:00:00Z"), ("stop_processing", "true")],
            MessageParameters.Of(change).OrderBy(each => each.Name == "stop_processing"));
        Assert.Equal([("state", "77")], MessageParameters.Of(new ChangeKeyVersionStateRequest { State = (KeyState)77 }));
        Assert.Equal([("roster", "00ff")], MessageParameters.Of(new InstallRosterRequest { Roster = ByteString.CopyFrom(0, 255) }));
        Assert.Equal([("credential.unix_uid", "0")], MessageParameters.Of(new CreatePrincipalRequest { Credential = new Credential { UnixUid = 0 } }));
    }

    [Fact]
    public void What_this_program_does_not_know_is_not_read()
    {
        byte[] known = new AcceptStoreRequest { Reason = "a" }.ToByteArray();
        Assert.True(MessageParameters.TryRead(AcceptStoreRequest.Descriptor, known, out var message));
        Assert.Equal([("reason", "a")], MessageParameters.Of(message!));
        Assert.False(MessageParameters.TryRead(AcceptStoreRequest.Descriptor, [.. known, 0x98, 0x06, 0x01], out _));
        Assert.False(MessageParameters.TryRead(AcceptStoreRequest.Descriptor, [0xFF], out _));
    }
}
