using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.LowLevelAPI80;

namespace KeyService.Hsm.Pkcs11;

/// <summary>A CK_ATTRIBUTE array and the native memory its values stand in, zeroed and freed on Dispose: a value may be a key.</summary>
internal sealed unsafe class AttributeTemplate : IDisposable
{
    private const int Capacity = 1024;
    private readonly List<CK_ATTRIBUTE> attributes = [];
    private readonly List<AttributeTemplate> nested = [];
    private byte* memory = (byte*)NativeMemory.AllocZeroed(Capacity);
    private int used;

    internal CK_ATTRIBUTE[] Items => [.. attributes];

    internal ulong Count => (ulong)attributes.Count;

    internal AttributeTemplate Add(CKA type, bool value) => Add(type, [value ? (byte)1 : (byte)0]);

    internal AttributeTemplate Add(CKA type, ulong value) => Add(type, MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in value)));

    internal AttributeTemplate Add(CKA type, CKO value) => Add(type, (ulong)value);

    internal AttributeTemplate Add(CKA type, CKK value) => Add(type, (ulong)value);

    internal AttributeTemplate Add(CKA type, string value) => Add(type, Encoding.UTF8.GetBytes(value));

    internal AttributeTemplate Add(CKA type, ReadOnlySpan<byte> value)
    {
        ObjectDisposedException.ThrowIf(memory is null, this);
        value.CopyTo(Reserve(value.Length, out var address));
        attributes.Add(new CK_ATTRIBUTE { type = (ulong)type, value = address, valueLen = (ulong)value.Length });
        return this;
    }

    /// <summary>An attribute whose value is itself an array of attributes (CKA_UNWRAP_TEMPLATE). Takes ownership of the inner one.</summary>
    internal AttributeTemplate Add(CKA type, AttributeTemplate inner)
    {
        nested.Add(inner);
        return Add(type, MemoryMarshal.AsBytes<CK_ATTRIBUTE>(inner.Items));
    }

    /// <summary>Room for a value that the module writes.</summary>
    internal AttributeTemplate Expect(CKA type, int length)
    {
        Reserve(length, out var address);
        attributes.Add(new CK_ATTRIBUTE { type = (ulong)type, value = address, valueLen = (ulong)length });
        return this;
    }

    public void Dispose()
    {
        if (memory is null)
        {
            return;
        }
        CryptographicOperations.ZeroMemory(new Span<byte>(memory, Capacity));
        NativeMemory.Free(memory);
        memory = null;
        nested.ForEach(inner => inner.Dispose());
    }

    private Span<byte> Reserve(int length, out nint address)
    {
        if (length > Capacity - used)
        {
            throw new ArgumentOutOfRangeException(nameof(length), "An attribute template holds at most 1 KiB of values.");
        }
        var place = memory + used;
        address = (nint)place;
        used += (length + 7) & ~7;
        return new Span<byte>(place, length);
    }
}
