using System.Security.Cryptography;
using System.Buffers.Binary;
using System.Text;
using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.BreakGlass;
using KeyService.Server.Ceremonies;
using KeyService.Server.Places;
using KeyService.Server.Sessions;
using KeyService.Server.Storage;

namespace KeyService.Tests.Storage;

/// <summary>
/// The bytes under each MAC are those of docs/spec/store.md: columns written out here once more, by an encoder of the test's own, against
/// what the service asks to be MACed. A column that falls out of a MAC, or moves, fails here.
/// </summary>
public sealed class RowBytesTests : IDisposable
{
    private const long Now = 1_795_348_800_000_000_000; // 2026-11-22T12:00:00Z

    private readonly StoreFile _file = new();
    private readonly List<byte[]> _asked = [];

    public void Dispose() => _file.Dispose();

    [Fact]
    public async Task Each_row_is_MACed_over_its_columns_in_the_order_of_the_specification()
    {
        var rows = new RowAuthenticator((row, _) =>
        {
            _asked.Add(row.ToArray());
            return ValueTask.FromResult(new byte[32]);
        });
        var table = new AccessRows(rows);
        var time = new TestTime();
        Assert.Equal(Now, UnixTime.Nanoseconds(time.GetUtcNow()));
        await using var store = _file.Open(time);
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.InstallationCreated),
            async transaction =>
            {
                await Installation.CreateAsync(transaction, rows, [.. Enumerable.Range(0, 16).Select(i => (byte)i)], [new IntegrityKeyBlob("token", new byte[41], new byte[32])]);
                await table.InsertAsync(transaction, Principal);
                await table.UpdateAsync(transaction, Principal with { Disabled = true, Revision = 2 });
                await table.InsertAsync(transaction, Grant);
                await table.InsertAsync(transaction, Grant with { Id = 1, ExpireTime = null, ContextConstraint = EncryptionContext.Empty });
                var factor = new SecondFactor
                {
                    Principal = "ada", Seed = [1, 2, 3], State = SecondFactorState.Active, OfferTime = At(0), ActivateTime = At(1), LastStep = 5, Failures = 1,
                    LockTime = At(2), ResetAskedBy = "ben", ResetAskTime = At(3), Revision = 1,
                };
                await new SecondFactorTable(rows).WriteAsync(transaction, factor);
                await new SecondFactorTable(rows).WriteAsync(transaction, factor with
                {
                    Seed = [], State = SecondFactorState.Removed, ActivateTime = null, Failures = 0, LockTime = null, ResetAskedBy = null, ResetAskTime = null, Revision = 2,
                });
                var session = new PersonSession
                {
                    TokenHash = new string('a', 64), Principal = "ada", Binding = "key:00", OpenTime = At(0), LastUseTime = At(1), ProofTime = At(2),
                    EndTime = null, End = null, EndedBy = null, Revision = 1,
                };
                await new SessionTable(rows).WriteAsync(transaction, session);
                await new SessionTable(rows).WriteAsync(transaction, session.Over(SessionEnd.Ended, At(3), "ben"));
                var policy = new PlacePolicy { Principal = "ada", Most = 2, Window = TimeSpan.FromHours(1), Ipv4Prefix = 24, Ipv6Prefix = 56, Revision = 1 };
                await new PlaceTables(rows).WriteAsync(transaction, policy);
                await new PlaceTables(rows).WriteAsync(transaction, policy with { Most = 0, Revision = 2 });
                await new PlaceTables(rows).WriteAsync(transaction, new SeenPlace("ada", "192.0.2.0/24", At(0), At(1), 1));
                await new PlaceTables(rows).WriteAsync(transaction, new SeenPlace("ada", "192.0.2.0/24", At(0), At(2), 2));
                var use = new BreakGlassUse
                {
                    Id = 0xfedcba9876543210, Principal = "ada", Reason = "fire", Sealed = true, Binding = "key:00", State = BreakGlassState.Asked, AskTime = At(0),
                    ConfirmedBy = null, OpenTime = null, EndTime = null, ReviewedBy = null, ReviewTime = null, Verdict = null, Note = null, Revision = 1,
                };
                await new BreakGlassTable(rows).WriteAsync(transaction, use);
                await new BreakGlassTable(rows).WriteAsync(transaction, use with
                {
                    State = BreakGlassState.Reviewed, ConfirmedBy = "ben", OpenTime = At(1), EndTime = At(2), ReviewedBy = "cyd", ReviewTime = At(3),
                    Verdict = BreakGlassVerdict.NotJustified, Note = "no fire", Revision = 2,
                });
                var envelopes = new SealedEnvelopes
                {
                    Id = 7, MadeBy = "cyd", MakeTime = At(0), First = new byte[48], Second = [.. Enumerable.Repeat((byte)1, 48)], WrongAttempts = 0, EndTime = null, Revision = 1,
                };
                await new EnvelopeTable(rows).WriteAsync(transaction, envelopes);
                await new EnvelopeTable(rows).WriteAsync(transaction, envelopes with { WrongAttempts = 3, EndTime = At(1), Revision = 2 });
                var ceremony = new CeremonyRow(new string('a', 32), "genesis", "completed", Now, new byte[32], SHA256.HashData([1, 2, 3]), "cyd", Now + 100, 1, []);
                await new CeremonyTable(rows).WriteAsync(transaction, ceremony, [1, 2, 3]);
                await new CeremonyTable(rows).WriteAsync(transaction, ceremony with { TranscriptSha256 = SHA256.HashData([1, 2, 3, 4]), RecordedAt = Now + 200, Revision = 2 }, [1, 2, 3, 4]);
                await new RequestLedger(rows).RememberAsync(transaction, "alice", "id-1", "/Rotate", new byte[32], [1, 2]);
            },
            CancellationToken.None);
        await new PageTokens(rows).SealAsync("ListGrants", "alice", "0a", CancellationToken.None);

        var asked = _asked.Select(Convert.ToHexStringLower).ToHashSet();
        byte[] constraint = [0, 1, 0, 6, .. "tenant"u8, 0, 5, .. "north"u8];
        foreach (var row in new[]
        {
            Row("installation", 1L, Enumerable.Range(0, 16).Select(i => (byte)i).ToArray(), Now, 9L),
            Row("register_state", "principals", 0L, 0L),
            Row("register_state", "alarms", 0L, 0L),
            Row("register_state", "keys", 0L, 0L),
            Row("register_state", "approvals", 0L, 0L),
            Row("register_state", "audit_slots", 1L, 1L),
            Row("register_state", "principals", 1L, 1L),
            Row("register_state", "principals", 1L, 2L),
            Row("register_state", "grants", 2L, 2L),
            Row("audit_slots", 0L, 0L, Array.Empty<byte>(), Now, 1L),
            Row("principals", "alice", 1L, 3L, "2000", 0L, Now, 1L),
            Row("principals", "alice", 1L, 3L, "2000", 1L, Now, 2L),
            Row("grants", unchecked((long)0xfedcba9876543210), "alice", "encrypt,decrypt", "ehr/*", constraint, Now + 1_000_000_000, Now, 0L, 1L),
            Row("grants", 1L, "alice", "encrypt,decrypt", "ehr/*", new byte[2], null, Now, 0L, 1L),
            Row("requests", "alice", "id-1", "/Rotate", new byte[32], new byte[] { 1, 2 }, Now, 1L),
            Row("second_factors", "ada", new byte[] { 1, 2, 3 }, 2L, Now, Now + 100, 5L, 1L, Now + 200, "ben", Now + 300, 1L),
            Row("second_factors", "ada", Array.Empty<byte>(), 3L, Now, null, 5L, 0L, null, null, null, 2L),
            Row("person_sessions", new string('a', 64), "ada", "key:00", Now, Now + 100, Now + 200, null, null, null, 1L),
            Row("person_sessions", new string('a', 64), "ada", "key:00", Now, Now + 100, Now + 200, Now + 300, 4L, "ben", 2L),
            Row("place_policies", "ada", 2L, 3600L, 24L, 56L, 1L),
            Row("place_policies", "ada", 0L, 3600L, 24L, 56L, 2L),
            Row("places_seen", "ada", "192.0.2.0/24", Now, Now + 100, 1L),
            Row("places_seen", "ada", "192.0.2.0/24", Now, Now + 200, 2L),
            Row("break_glass_uses", unchecked((long)0xfedcba9876543210), "ada", "fire", 1L, "key:00", 1L, Now, null, null, null, null, null, null, null, 1L),
            Row("break_glass_uses", unchecked((long)0xfedcba9876543210), "ada", "fire", 1L, "key:00", 4L, Now, "ben", Now + 100, Now + 200, "cyd", Now + 300, 2L, "no fire", 2L),
            Row("break_glass_envelopes", 7L, "cyd", Now, new byte[48], Enumerable.Repeat((byte)1, 48).ToArray(), 0L, null, 1L),
            Row("break_glass_envelopes", 7L, "cyd", Now, new byte[48], Enumerable.Repeat((byte)1, 48).ToArray(), 3L, Now + 100, 2L),
            Row("ceremonies", new string('a', 32), "genesis", "completed", Now, new byte[32], SHA256.HashData([1, 2, 3]), "cyd", Now + 100, 1L),
            Row("ceremonies", new string('a', 32), "genesis", "completed", Now, new byte[32], SHA256.HashData([1, 2, 3, 4]), "cyd", Now + 200, 2L),
            Row("page-token", "ListGrants", "alice", "0a"),
        })
        {
            Assert.True(asked.Contains(Convert.ToHexStringLower(row)), $"Nobody asked for the MAC of {Encoding.Latin1.GetString(row)}");
        }
    }

    [Fact]
    public void The_worked_example_of_the_specification_is_right()
    {
        var row = Row("register_state", "grants", 2L, 3L);
        var mac = System.Security.Cryptography.HMACSHA256.HashData(Convert.FromHexString("1963d554a5b687e874515f2a370e44fea2a6bee3e83d1766ff7bf1297a94e5c4"), row);
        Assert.Equal("efdbff7879183ee7a2609f19dcd02a581029cb18d376614e3a8fd935e6ab0cdb", Convert.ToHexStringLower(mac));
    }

    private static DateTimeOffset At(int ticks) => UnixTime.FromNanoseconds(Now + (100 * ticks));

    private static Principal Principal => new()
    {
        Name = "alice", Type = PrincipalType.Service, Credential = Credential.OfUid(2000), Disabled = false, CreateTime = UnixTime.FromNanoseconds(Now), Revision = 1,
    };

    private static Grant Grant
    {
        get
        {
            KeyPattern.TryParse("ehr/*", out var pattern);
            return new Grant
            {
                Id = 0xfedcba9876543210,
                Principal = "alice",
                Permissions = [Permission.Encrypt, Permission.Decrypt],
                KeyPattern = pattern,
                ContextConstraint = EncryptionContext.Create("tenant", "north"),
                ExpireTime = UnixTime.FromNanoseconds(Now + 1_000_000_000),
                CreateTime = UnixTime.FromNanoseconds(Now),
                Revoked = false,
                Revision = 1,
            };
        }
    }

    private static byte[] Row(string table, params object?[] columns)
    {
        List<byte> bytes = [.. "keyservice/row/v1\0"u8, (byte)(table.Length >> 8), (byte)table.Length, .. Encoding.ASCII.GetBytes(table)];
        foreach (var column in columns)
        {
            var number = new byte[8];
            var (type, value) = column switch
            {
                null => ((byte)0, []),
                string text => ((byte)2, Encoding.UTF8.GetBytes(text)),
                byte[] raw => ((byte)3, raw),
                _ => ((byte)1, number),
            };
            if (column is long signed)
            {
                BinaryPrimitives.WriteInt64BigEndian(number, signed);
            }

            bytes.Add(type);
            bytes.AddRange([(byte)(value.Length >> 24), (byte)(value.Length >> 16), (byte)(value.Length >> 8), (byte)value.Length]);
            bytes.AddRange(value);
        }

        return [.. bytes];
    }
}
