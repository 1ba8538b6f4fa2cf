using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Crypto.Ceremonies;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Ceremonies;

/// <summary>The RPCs of ceremonies.proto.</summary>
internal sealed class CeremoniesService(CeremonyTable ceremonies, CeremonySchedule schedule, IStore store) : Wire.Ceremonies.CeremoniesBase
{
    private const int MaxLength = 2 << 20;
    private const int IdLength = 32;
    private const int MaxDetail = 2000;

    [Rpc(Permission.ExportBackup, AuditEvent.CeremonyRecorded)]
    public override async Task<RecordCeremonyResponse> RecordCeremony(RecordCeremonyRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var transcript = Parse(request.Transcript);
        var id = Convert.ToHexStringLower(transcript.Header.Ceremony.Span);
        var last = transcript.Entries[^1];
        call.Record.Detail = OneLine.Of(
            $"{transcript.Header.Kind} {id}, {last.Subject}, last hash {Convert.ToHexStringLower(transcript.Head.Span)}, signed by {string.Join(", ", transcript.Signatures.Select(each => each.IsHsm ? $"hsm {each.Signer}" : each.Signer))}",
            MaxDetail);
        return await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var known = await ceremonies.FindAsync(transaction.Connection, transaction.Transaction, id, CancellationToken.None);
            var bytes = request.Transcript.ToByteArray();
            if (known is not null && known.TranscriptSha256.AsSpan().SequenceEqual(SHA256.HashData(bytes)))
            {
                return new RecordCeremonyResponse { Ceremony = ToMessage(known) };
            }

            if (known is not null && Conflicts(await CeremonyTable.ReadTranscriptAsync(transaction.Connection, transaction.Transaction, known), transcript))
            {
                // Whose is right, the last hash says that everybody wrote down.
                throw Refusal.AlreadyExists($"Another transcript of ceremony {id}, or one with more signatures,");
            }

            var row = new CeremonyRow(
                id, transcript.Header.Kind, last.Subject, UnixTime.Nanoseconds(last.Time), transcript.Head.ToArray(), SHA256.HashData(bytes), call.Principal.Name,
                UnixTime.Nanoseconds(transaction.Time), (known?.Revision ?? 0) + 1, []);
            await ceremonies.WriteAsync(transaction, row, bytes);
            return new RecordCeremonyResponse { Ceremony = ToMessage(row) };
        });
    }

    [Rpc(Permission.ReadBackup, AuditEvent.CeremoniesListed)]
    public override async Task<ListCeremoniesResponse> ListCeremonies(ListCeremoniesRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var response = new ListCeremoniesResponse();
        response.Ceremonies.AddRange((await store.ReadAsync(connection => ceremonies.ListAsync(connection, call.CancellationToken), call.CancellationToken)).Select(ToMessage));
        response.Due.AddRange((await schedule.DueAsync(call.CancellationToken))
            .Select(each => new CeremonyDue { Kind = each.Kind, DueTime = Timestamp.FromDateTimeOffset(each.Due) }));
        call.Record.ItemCount = response.Ceremonies.Count;
        return response;
    }

    [Rpc(Permission.ReadBackup, AuditEvent.CeremonyRead)]
    public override async Task<GetCeremonyResponse> GetCeremony(GetCeremonyRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var id = request.Id.Length == IdLength && request.Id.All(char.IsAsciiHexDigitLower) ? request.Id : throw Refusal.InvalidArgument("id", "must be 32 small hexadecimal digits");
        call.Record.Detail = $"ceremony {id}";
        var (row, transcript) = await store.ReadAsync(
            async connection => await ceremonies.FindAsync(connection, null, id, call.CancellationToken) is { } found
                ? (found, await CeremonyTable.ReadTranscriptAsync(connection, null, found))
                : throw Refusal.NotFound($"Ceremony {id}"),
            call.CancellationToken);
        return new GetCeremonyResponse { Ceremony = ToMessage(row), Transcript = ByteString.CopyFrom(transcript) };
    }

    private static Transcript Parse(ByteString bytes)
    {
        if (bytes.Length is 0 or > MaxLength || !Transcript.TryParse(bytes.Span, out var transcript))
        {
            throw Refusal.InvalidArgument("transcript", "must be a transcript of at most 2 MiB whose hashes hold (docs/spec/transcript.md)");
        }
        if (transcript!.Header.IsRehearsal)
        {
            throw Refusal.InvalidArgument("transcript", "is of a rehearsal, which proves nothing");
        }
        var findings = TranscriptVerdict.Of(transcript).Findings;
        return findings.Count == 0
            ? transcript
            : throw Refusal.InvalidArgument("transcript", $"does not verify: {string.Join(", ", findings)}; keyservice ceremony verify says more");
    }

    // The same entries with at least the signatures that are known are the same ceremony, signed by more people since.
    private static bool Conflicts(byte[] known, Transcript transcript) => !Transcript.TryParse(known, out var before)
        || !before!.Head.Span.SequenceEqual(transcript.Head.Span)
        || before.Signatures.Any(each => !transcript.Signatures.Any(other => other.IsHsm == each.IsHsm && other.Signer == each.Signer && other.PublicKey.Span.SequenceEqual(each.PublicKey.Span)));

    private static Wire.Ceremony ToMessage(CeremonyRow row) => new()
    {
        Id = row.Id, Kind = row.Kind, Ending = row.Ending, RecordedBy = row.RecordedBy,
        EndTime = Timestamp.FromDateTimeOffset(UnixTime.FromNanoseconds(row.EndedAt)), RecordTime = Timestamp.FromDateTimeOffset(UnixTime.FromNanoseconds(row.RecordedAt)),
        LastHash = Convert.ToHexStringLower(row.LastHash),
    };
}
