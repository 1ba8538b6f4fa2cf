using Google.Protobuf;
using KeyService.Client.Internal;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>What a data key is for and about. All of it is bound into the wrapping: it unwraps for the same scope only.</summary>
public sealed class DataKeyScope
{
    /// <summary>Bytes of a subject id.</summary>
    public const int SubjectIdLength = 16;

    private readonly byte[] subjectId;

    private DataKeyScope(DataKeyUse use, ReadOnlySpan<byte> subjectId, EncryptionContext context)
    {
        Use = use;
        this.subjectId = subjectId.ToArray();
        Context = context;
    }

    /// <summary>Use of the key.</summary>
    public DataKeyUse Use { get; }

    /// <summary>16 bytes for fields, archives and blind indexes, empty otherwise.</summary>
    public ReadOnlyMemory<byte> SubjectId => subjectId;

    /// <summary>The context; may be empty.</summary>
    public EncryptionContext Context { get; }

    /// <summary>A key for the caller's own format.</summary>
    public static DataKeyScope General(EncryptionContext context) => new(DataKeyUse.General, [], context);

    /// <summary>A key for field tokens of the second format; <paramref name="dataKeyId"/> is 16 random bytes.</summary>
    public static DataKeyScope Field(ReadOnlySpan<byte> dataKeyId, EncryptionContext context) =>
        new(DataKeyUse.Field, Checked(dataKeyId), context);

    /// <summary>The key of one archive; <paramref name="archiveId"/> is 16 random bytes.</summary>
    public static DataKeyScope Archive(ReadOnlySpan<byte> archiveId, EncryptionContext context) =>
        new(DataKeyUse.Archive, Checked(archiveId), context);

    /// <summary>The key of a blind index; <paramref name="indexKeyId"/> is its 16-byte id. Only under keys made for blind indexes.</summary>
    public static DataKeyScope BlindIndex(ReadOnlySpan<byte> indexKeyId, EncryptionContext context) =>
        new(DataKeyUse.BlindIndex, Checked(indexKeyId), context);

    internal DataKeyBinding ToMessage() => new()
    {
        Use = Use,
        SubjectId = ByteString.CopyFrom(subjectId),
        Context = Contexts.ToMessage(Context),
    };

    private static ReadOnlySpan<byte> Checked(ReadOnlySpan<byte> id) => id.Length == SubjectIdLength
        ? id
        : throw new ArgumentException($"A subject id has {SubjectIdLength} bytes, not {id.Length}.", nameof(id));
}
