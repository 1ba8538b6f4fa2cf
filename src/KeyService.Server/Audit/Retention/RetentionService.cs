using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Audit.Retention;

/// <summary>RPCs of retention.proto.</summary>
internal sealed class RetentionService(AuditRetention retention, RowAuthenticator rows, RetentionConfiguration configuration) : Wire.Retention.RetentionBase
{
    private const int MaxLocationLength = 500;
    private const int MaxReasonLength = 256;

    [Rpc(Permission.ArchiveAudit, AuditEvent.AuditArchiveRegistered)]
    public override async Task<RegisterArchiveResponse> RegisterArchive(RegisterArchiveRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var month = RequireMonth(request.Month);
        call.Record.Detail = $"{month}";
        if (request.DirectorySize <= 0)
        {
            throw Refusal.InvalidArgument("directory_size", "must be greater than zero");
        }

        if (request.FileLength <= 0 || request.FileSha256.Length != SHA256.HashSizeInBytes)
        {
            throw Refusal.InvalidArgument("file_sha256", "must be the 32 bytes of a file's SHA-256, and file_length greater than zero");
        }

        var file = new ArchiveFile(
            request.DirectorySize, RequireLine(request.Location, "location", MaxLocationLength), request.FileLength, request.FileSha256.ToByteArray());
        var parts = await retention.PrepareAsync(month, file, call.Principal.Name, call.CancellationToken);
        call.Record.ItemCount = parts.Sum(part => part.Past - part.First);
        call.Record.Detail = $"{month}, {file.Length} bytes, SHA-256 {Convert.ToHexStringLower(file.Sha256)}, at {file.Location}";
        return await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            // Who registers the same month at the same time was first.
            if ((await AuditArchive.ReadAllAsync(transaction.Connection, transaction.Transaction, rows, CancellationToken.None)).Exists(archive => archive.Month == month))
            {
                throw Refusal.AlreadyExists($"An archive of {month}");
            }

            var registered = new List<AuditArchive>();
            foreach (var part in parts)
            {
                registered.Add(part with { RegisterTime = transaction.Time });
                await registered[^1].InsertAsync(transaction, rows);
            }

            return new RegisterArchiveResponse { Archive = ToMessage(registered) };
        });
    }

    [Rpc(Permission.ReadAudit, AuditEvent.AuditArchivesListed)]
    public override async Task<ListArchivesResponse> ListArchives(ListArchivesRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var archives = await retention.ListAsync(call.CancellationToken);
        var response = new ListArchivesResponse { NextMonth = (await retention.NextAsync(archives, call.CancellationToken))?.ToString() ?? "" };
        response.Archives.AddRange(archives.GroupBy(archive => archive.Month).Select(month => ToMessage([.. month])));
        call.Record.ItemCount = response.Archives.Count;
        return response;
    }

    [Rpc(Permission.DeleteAudit, AuditEvent.AuditRecordsDeleted, StepUp = true)]
    public override async Task<DeleteRecordsResponse> DeleteRecords(DeleteRecordsRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var month = RequireMonth(request.Month);
        var reason = RequireLine(request.Reason, "reason", MaxReasonLength);
        call.Record.Detail = $"up to {month}: {reason}";
        var archives = await retention.DeletableAsync(month, call.CancellationToken);
        var standing = archives.Where(archive => archive.DeleteTime is null).ToList();
        if (standing.Count > 0)
        {
            await retention.TakeAccountAsync(call.CancellationToken);
        }

        call.Record.ItemCount = standing.Sum(archive => archive.Past - archive.First);
        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            // Read again: somebody else may have asked for the same at the same time.
            standing = [.. (await AuditArchive.ReadAllAsync(transaction.Connection, transaction.Transaction, rows, CancellationToken.None))
                .Where(archive => archive.Month.CompareTo(month) <= 0 && archive.DeleteTime is null)];
            foreach (var archive in standing)
            {
                await archive.DeleteRecordsAsync(transaction, rows, call.Principal.Name);
            }

            var answer = new DeleteRecordsResponse();
            answer.Archives.AddRange(standing
                .Select(archive => archive with { DeleteTime = transaction.Time, DeletedBy = call.Principal.Name })
                .GroupBy(archive => archive.Month).Select(each => ToMessage([.. each])));
            return answer;
        });

        // What a server that died, or a database that was busy, left is taken away by the same request again.
        await retention.SweepAsync(call.CancellationToken);
        return response;
    }

    private Archive ToMessage(List<AuditArchive> parts)
    {
        var one = parts[0];
        var message = new Archive
        {
            Month = one.Month.ToString(),
            DirectorySize = one.File.DirectorySize,
            Location = one.File.Location,
            FileLength = one.File.Length,
            FileSha256 = ByteString.CopyFrom(one.File.Sha256),
            RegisterTime = one.RegisterTime.ToTimestamp(),
            RegisteredBy = one.RegisteredBy,
            KeepUntil = one.Month.End.AddYears(configuration.Years).ToTimestamp(),
            DeleteTime = one.DeleteTime?.ToTimestamp(),
            DeletedBy = one.DeletedBy ?? "",
        };
        message.Slots.AddRange(parts.Select(part => new ArchivedSlot { LogSlot = part.Slot, FirstSequence = part.First, Count = part.Past - part.First }));
        return message;
    }

    private static AuditMonth RequireMonth(string text) => AuditMonth.TryParse(text, out var month)
        ? month
        : throw Refusal.InvalidArgument("month", "must be a month such as 2026-10");

    private static string RequireLine(string text, string field, int length) => text.Length > 0 && text.Length <= length && !text.Any(char.IsControl)
        ? text
        : throw Refusal.InvalidArgument(field, $"must be 1 to {length} characters on one line");
}
