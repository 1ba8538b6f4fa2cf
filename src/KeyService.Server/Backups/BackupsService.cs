using System.Globalization;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using BundleKind = KeyService.Crypto.Backups.BundleKind;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Backups;

/// <summary>RPCs of backups.proto.</summary>
internal sealed class BackupsService(BackupWriter writer, BackupQueries queries, BundleSelection selection, BundleSigner signer, PageTokens pages) : Wire.Backups.BackupsBase
{
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;
    private const int MaxDetail = 3800;

    [Rpc(Permission.ExportBackup, AuditEvent.BackupExportRequested, StepUp = true)]
    public override async Task<ExportBundleResponse> ExportBundle(ExportBundleRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var kind = request.Kind switch
        {
            Wire.BundleKind.Unspecified or Wire.BundleKind.Full => BundleKind.Full,
            Wire.BundleKind.Incremental => BundleKind.Incremental,
            _ => throw Refusal.InvalidArgument("kind", "must be BUNDLE_KIND_FULL, BUNDLE_KIND_INCREMENTAL or absent"),
        };
        call.Authorize(null, null);
        if (writer.Destinations.Count == 0)
        {
            throw new Refusal(Reason.Unimplemented, "The server's configuration names no backup destination. Name one (backup.destinations).");
        }

        // Kept under the request id is where the bundles stood when it came: the same request again gets the first bundle after that, and makes no other.
        var asked = await call.MutateAsync(request.RequestId, request, async _ => new ExportBundleResponse
        {
            Bundle = new Wire.Bundle { Sequence = await queries.LastSequenceAsync(CancellationToken.None) },
        });
        var bundle = await writer.ExportAsync(asked.Bundle.Sequence, kind, call.CancellationToken)
            ?? throw new Refusal(Reason.BackupUnavailable, "No backup destination could be written. "
                + string.Join(' ', writer.Destinations.Select(each => $"{each.Name}: {each.Problem ?? "not tried."}")));
        var facts = await queries.ListAsync(bundle.Sequence + 1, inForceOnly: false, 1, call.CancellationToken);
        return new ExportBundleResponse { Bundle = BackupMessages.ToWire(facts[0]) };
    }

    [Rpc(Permission.ExportBackup, AuditEvent.BackupSelectionExported, StepUp = true)]
    public override async Task<ExportSelectionResponse> ExportSelection(ExportSelectionRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        if (request.Keys.Count is 0 or > BundleSelection.MaxKeys || request.Keys.FirstOrDefault(name => !KeyName.TryParse(name, out _)) is not null)
        {
            throw Refusal.InvalidArgument("keys", "must be 1 to 1,000 names of keys");
        }

        call.Authorize(null, null);
        List<string> names = [.. request.Keys.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        call.Record.Detail = OneLine.Of($"{names.Count} keys: {string.Join(", ", names)}", MaxDetail);
        var (bundle, verified) = await selection.WriteAsync(names, call.CancellationToken);
        call.Record.ItemCount = (long)verified.VersionCount;
        call.Record.ByteCount = bundle.Length;
        call.Record.Detail = OneLine.Of($"selection, digest {Convert.ToHexStringLower(verified.Digest)}, {names.Count} keys: {string.Join(", ", names)}", MaxDetail);
        return new ExportSelectionResponse { Bundle = UnsafeByteOperations.UnsafeWrap(bundle) };
    }

    [Rpc(Permission.ReadBackup, AuditEvent.BackupBundlesListed)]
    public override async Task<ListBundlesResponse> ListBundles(ListBundlesRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var pageSize = request.PageSize switch
        {
            0 => DefaultPageSize,
            > 0 and <= MaxPageSize => request.PageSize,
            _ => throw Refusal.InvalidArgument("page_size", "must be 1 to 1,000, or 0 for 100"),
        };
        call.Authorize(null, null);
        var filter = request.InForceOnly ? "in-force" : "";
        var before = long.MaxValue;
        if (request.PageToken.Length > 0
            && (await pages.OpenAsync(nameof(ListBundles), filter, request.PageToken, call.CancellationToken) is not { } cursor
                || !long.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out before)))
        {
            throw Refusal.InvalidArgument("page_token", "must be the next_page_token of an answer to the same list with the same filter");
        }

        var bundles = await queries.ListAsync(before, request.InForceOnly, pageSize + 1, call.CancellationToken);
        var response = new ListBundlesResponse
        {
            SigningKey = ByteString.CopyFrom(await signer.PublicKey(call.CancellationToken)),
            Progress = BackupMessages.ToWire(writer.Progress),
        };
        response.Bundles.AddRange(bundles.Take(pageSize).Select(BackupMessages.ToWire));
        response.Destinations.AddRange(writer.Destinations.Select(BackupMessages.ToWire));
        if (bundles.Count > pageSize)
        {
            response.NextPageToken = await pages.SealAsync(
                nameof(ListBundles), filter, bundles[pageSize - 1].Row.Sequence.ToString(CultureInfo.InvariantCulture), call.CancellationToken);
        }

        call.Record.ItemCount = response.Bundles.Count;
        return response;
    }

    [Rpc(Permission.ReadBackup, AuditEvent.BackupCopiesChecked)]
    public override async Task<VerifyCopiesResponse> VerifyCopies(VerifyCopiesRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(null, null);
        await writer.CheckCopiesAsync(call.CancellationToken);
        var bundles = await queries.ListAsync(long.MaxValue, inForceOnly: true, MaxPageSize, call.CancellationToken);
        var response = new VerifyCopiesResponse();
        response.Bundles.AddRange(bundles.Select(BackupMessages.ToWire));
        response.Destinations.AddRange(writer.Destinations.Select(BackupMessages.ToWire));
        call.Record.ItemCount = response.Bundles.Count;
        return response;
    }
}
