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

/// <summary>EncryptStream: the same bytes as an archive made locally, under a data key that the HSM makes for it.</summary>
internal sealed class ArchiveEncryption(DataKeyMaker maker)
{
    public async Task RunAsync(
        IAsyncStreamReader<StreamRequest<EncryptStreamStart>> requests, IServerStreamWriter<StreamResponse> answers, Call call)
    {
        var messages = new StreamMessages<EncryptStreamStart>(requests, call.CancellationToken);
        var start = await messages.ReadStartAsync();
        var name = KeyName.Require(start.Key, "start.key");
        var context = RequestContexts.Require(start.Context, "start.context");
        call.Authorize(name.Value, context);
        var version = await maker.FindForWrappingAsync(name.Value, call.CancellationToken);
        call.Record.KeyVersion = version.Id;
        call.Record.ItemCount = 1;

        using var encryptor = await BeginAsync(version, context, start.ContentName, call.CancellationToken);
        using var output = new PieceBuffer();
        var pieces = new PieceTaker((in data) => encryptor.Write(data, output));
        while (true)
        {
            using var message = await messages.ReadNextAsync();
            if (message.Kind == StreamMessageKind.Finish)
            {
                break;
            }

            pieces.Take(message)?.Throw();
            call.Record.ByteCount = encryptor.PlaintextBytes;
            await output.SendAsync(answers, all: false);
        }

        encryptor.Finish(output);
        await output.SendAsync(answers, all: true);
        await answers.WriteAsync(StreamResponse.OfSummary(new StreamSummary
        {
            PlaintextBytes = (ulong)encryptor.PlaintextBytes,
            ArchiveBytes = (ulong)encryptor.ArchiveBytes,
            Key = name.Value,
            KeyVersion = version.IdText,
        }));
    }

    private async Task<ChunkEncryptor> BeginAsync(
        KeyVersion version, EncryptionContext context, string contentName, CancellationToken cancellationToken)
    {
        var archiveId = ArchiveHeader.NewArchiveId();
        var binding = new DataKeyBinding(AadPurpose.DataKeyArchive, archiveId, context);
        var wrapped = new byte[WrappedDataKey.Length];
        using var plaintext = new PlaintextKeys(1);
        await maker.GenerateAsync(version, binding, [archiveId], 1, plaintext, wrapped, cancellationToken);
        using var dataKey = SecretBuffer.CopyOf(plaintext[0].Span);
        return new ChunkEncryptor(CreateHeader(archiveId, context, contentName, wrapped), dataKey);
    }

    private static ArchiveHeader CreateHeader(byte[] archiveId, EncryptionContext context, string contentName, byte[] wrapped)
    {
        try
        {
            return ArchiveHeader.Create(archiveId, context, contentName, wrapped);
        }
        catch (ArgumentException)
        {
            // Everything else in the header was made here: only the name can break a rule.
            throw Refusal.InvalidArgument("start.content_name", "must be 0 to 255 bytes of UTF-8 without control characters and U+FFFD");
        }
    }
}
