using System.Text;

namespace KeyService.Crypto.Archives;

/// <summary>
/// The rule of the content name: 0 to 255 bytes of strict UTF-8 without control characters and without U+FFFD. It is printed
/// by tools that inspect foreign files, so it must not be able to move a cursor; U+FFFD is what a lossy decoder leaves behind.
/// </summary>
internal static class ContentNameRule
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static byte[] Encode(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        byte[] bytes;
        try
        {
            bytes = Strict.GetBytes(name);
        }
        catch (EncoderFallbackException)
        {
            throw new ArgumentException("The content name holds an unpaired surrogate.", nameof(name));
        }

        if (bytes.Length > ArchiveFormat.MaxContentNameLength)
        {
            throw new ArgumentException("The content name is longer than 255 bytes of UTF-8.", nameof(name));
        }

        if (!IsAllowed(name))
        {
            throw new ArgumentException("The content name holds a control character or U+FFFD.", nameof(name));
        }

        return bytes;
    }

    public static bool TryDecode(ReadOnlySpan<byte> bytes, out string name)
    {
        name = "";
        if (bytes.Length > ArchiveFormat.MaxContentNameLength)
        {
            return false;
        }

        try
        {
            name = Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return false;
        }

        return IsAllowed(name);
    }

    private static bool IsAllowed(string name)
    {
        foreach (char c in name)
        {
            if (char.IsControl(c) || c == '\uFFFD')
            {
                return false;
            }
        }

        return true;
    }
}
