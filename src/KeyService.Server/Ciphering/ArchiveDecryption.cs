using System.Runtime.ExceptionServices;
using Grpc.Core;
using KeyService.Crypto;
using KeyService.Crypto.Archives;
using KeyService.Protocol.Bulk;
using KeyService.Protocol.V1;
using KeyService.Server.DataKeys;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using DataKeyBinding = KeyService.Server.DataKeys.DataKeyBinding;
using KeyVersion = KeyService.Server.Keys.KeyVersion;

namespace KeyService.Server.Ciphering;

/// <summary>DecryptStream: answers verified plaintext only, and the summary only when the archive was whole.</summary>
internal sealed class ArchiveDecryption(DataKeyMaker maker, KeyRing keys)
{
    public async Task RunAsync(
        IAsyncStreamReader<StreamRequest<DecryptStreamStart>> requests, IServerStreamWriter<StreamResponse> answers, Call call)
    {
        try
        {
            await DecryptAsync(new StreamMessages<DecryptStreamStart>(requests, call.CancellationToken), answers, call);
        }
        catch (ArchiveException exception)
        {
            // Failed verification has one sentence whatever its cause; the others say what the archive's length or first bytes show
            // anybody.
            throw new Refusal(Reason.DecryptionFailed, exception.Message, exception);
        }
    }

    private async Task DecryptAsync(StreamMessages<DecryptStreamStart> messages, IServerStreamWriter<StreamResponse> answers, Call call)
    {
        var start = await messages.ReadStartAsync();
        var expected = start.ExpectedContext is null ? null : RequestContexts.Require(start.ExpectedContext, "start.expected_context");
        call.Record.ItemCount = 1;

        var headerReader = new ArchiveHeaderReader();
        ChunkDecryptor? decryptor = null;
        PieceTaker? pieces = null;
        var version = default(KeyVersion);
        using var output = new PieceBuffer();
        try
        {
            while (true)
            {
                using var message = await messages.ReadNextAsync();
                if (message.Kind == StreamMessageKind.Finish)
                {
                    break;
                }

                ExceptionDispatchInfo? damage;
                if (pieces is null)
                {
                    var taken = headerReader.Write(message.Data.Span);
                    if (headerReader.Header is not { } header)
                    {
                        continue;
                    }

                    (decryptor, version) = await OpenAsync(header, expected, call);
                    var opened = decryptor;
                    damage = Open(opened, message.Data.Span[taken..], output);
                    pieces = new PieceTaker((in data) => opened.Write(data, output));
                }
                else
                {
                    damage = pieces.Take(message);
                }

                // What verified before a chunk that does not is answered, all of it and nothing of the rest: where an archive is
                // damaged does not hang on how its bytes were cut into messages.
                call.Record.ByteCount = decryptor!.PlaintextBytes;
                await output.SendAsync(answers, all: damage is not null);
                damage?.Throw();
            }

            var headerLength = headerReader.Finish().Length;
            await output.SendAsync(answers, all: true);
            decryptor!.Finish(output);
            call.Record.ByteCount = decryptor.PlaintextBytes;
            await output.SendAsync(answers, all: true);
            await answers.WriteAsync(StreamResponse.OfSummary(new StreamSummary
            {
                PlaintextBytes = (ulong)decryptor.PlaintextBytes,
                ArchiveBytes = (ulong)(headerLength + decryptor.PayloadBytes),
                Key = version!.KeyName,
                KeyVersion = version.IdText,
            }));
        }
        finally
        {
            decryptor?.Dispose();
        }
    }

    private static ExceptionDispatchInfo? Open(ChunkDecryptor decryptor, ReadOnlySpan<byte> archive, PieceBuffer output)
    {
        try
        {
            decryptor.Write(archive, output);
            return null;
        }
        catch (ArchiveException exception)
        {
            return ExceptionDispatchInfo.Capture(exception);
        }
    }

    /// <summary>Unwraps the archive's data key by the first of its slots whose key version is known here and granted to the
    /// caller.</summary>
    /// <exception cref="Refusal">DECRYPTION_FAILED, ACCESS_DENIED, KEY_STATE.</exception>
    private async Task<(ChunkDecryptor Decryptor, KeyVersion Version)> OpenAsync(
        ArchiveHeader header, EncryptionContext? expected, Call call)
    {
        call.Names(header.Context);
        if (expected is not null && !expected.Equals(header.Context))
        {
            throw Refusal.DecryptionFailed();
        }

        var binding = new DataKeyBinding(AadPurpose.DataKeyArchive, header.ArchiveId.ToArray(), header.Context);
        var granted = false;
        foreach (var slot in header.WrappedDataKeys)
        {
            if (await FindGrantedAsync(slot, header.Context, call) is not { } version)
            {
                continue;
            }

            granted = true;
            using var plaintext = new PlaintextKeys(1);
            if (await maker.TryUnwrapAsync(version, binding, slot, plaintext, call.CancellationToken))
            {
                call.Record.KeyVersion = version.Id;
                call.Authorize(version.KeyName, header.Context);
                using var dataKey = SecretBuffer.CopyOf(plaintext[0].Span);
                return (new ChunkDecryptor(header, dataKey), version);
            }
        }

        throw granted ? Refusal.DecryptionFailed() : Refusal.AccessDenied();
    }

    private async Task<KeyVersion?> FindGrantedAsync(ReadOnlyMemory<byte> slot, EncryptionContext context, Call call)
    {
        if (!WrappedDataKey.TryParse(slot.Span, out var wrapped)
            || await keys.FindVersionAsync(wrapped.VersionId, call.CancellationToken) is not { } version)
        {
            return null;
        }

        call.Record.Key = version.KeyName;
        call.Record.KeyVersion = version.Id;
        if (!call.Covers(version.KeyName, context))
        {
            return null;
        }

        DataKeyRewrapping.DemandProcessing(version);
        keys.Uses.Note(version.Id);
        call.WarnOf(version.Row);
        return version;
    }
}
