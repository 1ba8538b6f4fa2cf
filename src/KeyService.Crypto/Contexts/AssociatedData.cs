namespace KeyService.Crypto;

/// <summary>
/// The additional authenticated data of everything the service encrypts. docs/spec/associated-data.md.
/// <code>"keyservice/v1" 0x00 | purpose 1 | format 1 | key-version id 8 | subject length 1 | subject | encoded context</code>
/// Every field before the context has a fixed or a stated length, so no two different inputs give the same bytes.
/// </summary>
public static class AssociatedData
{
    /// <summary>Bytes of a subject id where a purpose has one.</summary>
    public const int SubjectLength = 16;

    /// <summary>Bytes of the longest associated data.</summary>
    public const int MaxLength = FixedLength + SubjectLength + EncryptionContext.MaxEncodedLength;

    private const int FixedLength = 14 + 1 + 1 + KeyVersionId.Length + 1;

    /// <summary>14 bytes: the label and the zero byte that ends it.</summary>
    internal static ReadOnlySpan<byte> Label => "keyservice/v1\0"u8;

    /// <summary>Bytes of what <see cref="Write"/> writes.</summary>
    public static int Length(ReadOnlySpan<byte> subjectId, EncryptionContext context) =>
        FixedLength + subjectId.Length + context.Encoded.Length;

    /// <summary>Writes the associated data.</summary>
    /// <param name="destination">At least <see cref="Length"/> bytes.</param>
    /// <param name="purpose">Chosen by the service.</param>
    /// <param name="format">First byte of the ciphertext's format: 0x01 for whatever a key version wraps, 0x11 and 0x12 for field tokens.</param>
    /// <param name="versionId">The key version, <see cref="KeyVersionId.None"/> for <see cref="AadPurpose.FieldTokenDataKey"/> only.</param>
    /// <param name="subjectId">16 bytes or none, as the purpose says.</param>
    /// <param name="context">The caller's context.</param>
    /// <returns>Bytes written.</returns>
    /// <exception cref="ArgumentException">The parts do not belong together.</exception>
    public static int Write(
        Span<byte> destination, AadPurpose purpose, byte format, KeyVersionId versionId, ReadOnlySpan<byte> subjectId, EncryptionContext context)
    {
        int prefix = WritePrefix(destination, purpose, format, versionId, subjectId);
        context.Encoded.CopyTo(destination[prefix..]);
        return prefix + context.Encoded.Length;
    }

    /// <summary><see cref="Write"/> into a new array.</summary>
    public static byte[] ToArray(
        AadPurpose purpose, byte format, KeyVersionId versionId, ReadOnlySpan<byte> subjectId, EncryptionContext context)
    {
        var bytes = new byte[Length(subjectId, context)];
        Write(bytes, purpose, format, versionId, subjectId, context);
        return bytes;
    }

    /// <summary>Everything before the context: what stays the same over all messages of one cipher.</summary>
    internal static int WritePrefix(
        Span<byte> destination, AadPurpose purpose, byte format, KeyVersionId versionId, ReadOnlySpan<byte> subjectId)
    {
        Check(purpose, format, versionId, subjectId.Length);
        Label.CopyTo(destination);
        destination[14] = (byte)purpose;
        destination[15] = format;
        versionId.WriteTo(destination[16..]);
        destination[24] = (byte)subjectId.Length;
        subjectId.CopyTo(destination[FixedLength..]);
        return FixedLength + subjectId.Length;
    }

    // One table of what belongs together, so that a slip in a caller is an exception on its first use and not a ciphertext nobody else can open.
    private static void Check(AadPurpose purpose, byte format, KeyVersionId versionId, int subjectLength)
    {
        (byte Format, int SubjectLength, bool HasVersion) rule = purpose switch
        {
            AadPurpose.DataKeyGeneral or AadPurpose.BulkKey or AadPurpose.CheckValue => (WrappedDataKey.Format, 0, true),
            AadPurpose.DataKeyField or AadPurpose.DataKeyArchive or AadPurpose.DataKeyBlindIndex => (WrappedDataKey.Format, SubjectLength, true),
            AadPurpose.FieldToken => (FieldToken.Format1, 0, true),
            AadPurpose.FieldTokenDataKey => (FieldToken.Format2, SubjectLength, false),
            _ => throw new ArgumentOutOfRangeException(nameof(purpose), purpose, "Not a purpose."),
        };
        if (format != rule.Format || subjectLength != rule.SubjectLength || (versionId != KeyVersionId.None) != rule.HasVersion)
        {
            throw new ArgumentException(
                $"Purpose {purpose} takes format 0x{rule.Format:x2}, a subject of {rule.SubjectLength} bytes and {(rule.HasVersion ? "a" : "no")} key version.");
        }
    }
}
