using System.Runtime.InteropServices;
using KeyService.Hsm;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Mechanisms;
using KeyService.Hsm.Pkcs11;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.LowLevelAPI80;
using Net.Pkcs11Interop.LowLevelAPI80.MechanismParams;

namespace KeyService.Tests.Hsm;

public sealed class BindingTests
{
    [Fact]
    public void Structures_have_the_sizes_of_PKCS11_on_64_bit_Linux()
    {
        Assert.Equal(48, Marshal.SizeOf<NativeCalls.GcmParameters>());
        Assert.Equal(48, Marshal.SizeOf<CK_GCM_PARAMS>());
        Assert.Equal(24, Marshal.SizeOf<NativeCalls.Mechanism>());
        Assert.Equal(24, Marshal.SizeOf<CK_MECHANISM>());
        Assert.Equal(24, Marshal.SizeOf<CK_ATTRIBUTE>());
        Assert.Equal(208, Marshal.SizeOf<CK_TOKEN_INFO>());
        Assert.Equal(48, Marshal.SizeOf(new CK_C_INITIALIZE_ARGS()));
        Assert.Equal(56, Marshal.SizeOf<NativeCalls.InitializeArguments>());
    }

    [Fact]
    public void The_positions_in_the_function_list_are_those_of_the_package()
    {
        // The package's own structure knows every offset: 8 for the version, then one pointer after the other.
        (string Name, int Position)[] used =
        [
            ("C_Initialize", 0), ("C_InitToken", 9), ("C_InitPIN", 10), ("C_Login", 18), ("C_EncryptInit", 29), ("C_Encrypt", 30), ("C_DecryptInit", 33),
            ("C_Decrypt", 34), ("C_SignInit", 42), ("C_Sign", 43), ("C_GenerateRandom", 64),
        ];
        var list = typeof(Pkcs11Library).Assembly.GetType("Net.Pkcs11Interop.LowLevelAPI80.CK_FUNCTION_LIST", throwOnError: true)!;
        Assert.All(used, entry => Assert.Equal((entry.Name, 8 + (8 * entry.Position)), (entry.Name, (int)Marshal.OffsetOf(list, entry.Name))));
    }

    [Theory]
    [InlineData(0xA0, "CKR_PIN_INCORRECT")]
    [InlineData(0x5, "CKR_GENERAL_ERROR")]
    [InlineData(0x80000001, "CKR_VENDOR_DEFINED")]
    [InlineData(0x7FFFFFF0, "CKR_UNKNOWN")]
    public void A_code_is_shown_by_name(ulong code, string name)
    {
        Assert.Equal(name, ReturnCodes.Name(code));
        var exception = new HsmException(HsmFault.Unexpected, "C_Login", code, "what to do next.");
        Assert.Equal($"C_Login returned {name} (0x{code:X}): what to do next.", exception.Message);
        Assert.Equal(name, exception.ReturnCodeName);
    }

    [Fact]
    public void Every_code_has_at_most_one_meaning_for_the_session_pool()
    {
        foreach (var code in Enum.GetValues<CKR>().Select(code => (ulong)code))
        {
            var meanings = new[] { ReturnCodes.IsSessionLost(code), ReturnCodes.IsTokenLost(code), ReturnCodes.IsAmbiguous(code), ReturnCodes.IsDamagedInput(code) };
            Assert.InRange(meanings.Count(meaning => meaning), 0, 1);
        }
        Assert.False(ReturnCodes.IsTokenLost((ulong)CKR.CKR_PIN_INCORRECT));
        Assert.False(ReturnCodes.IsTokenLost((ulong)CKR.CKR_PIN_LOCKED));
    }

    [Fact]
    public unsafe void A_template_keeps_its_values_apart_and_forgets_them()
    {
        using var template = new AttributeTemplate().Add(CKA.CKA_TOKEN, true).Add(CKA.CKA_VALUE_LEN, 32UL).Add(CKA.CKA_LABEL, "label");
        var items = template.Items;
        Assert.Equal(3UL, template.Count);
        Assert.Equal([1UL, 8UL, 5UL], items.Select(item => item.valueLen));
        Assert.Equal(32UL, *(ulong*)items[1].value);
        Assert.Equal("label"u8.ToArray(), new Span<byte>((void*)items[2].value, 5).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => template.Add(CKA.CKA_VALUE, new byte[2000]));
        template.Dispose();
        Assert.Throws<ObjectDisposedException>(() => template.Add(CKA.CKA_TOKEN, true));
    }

    [Fact]
    public void Templates_of_keys_that_stay_are_protected_and_name_every_usage()
    {
        CKA[] usages = [CKA.CKA_ENCRYPT, CKA.CKA_DECRYPT, CKA.CKA_SIGN, CKA.CKA_VERIFY, CKA.CKA_WRAP, CKA.CKA_UNWRAP, CKA.CKA_DERIVE];
        foreach (var kind in new[] { WrappedKeyKind.Kek, WrappedKeyKind.Integrity })
        {
            using var template = KeyTemplates.Unwrapped(kind);
            Assert.False(Flag(template, CKA.CKA_EXTRACTABLE));
            Assert.True(Flag(template, CKA.CKA_SENSITIVE));
            Assert.All(usages, usage => Assert.Single(template.Items, item => item.type == (ulong)usage));
            Assert.DoesNotContain(template.Items, item => item.type == (ulong)CKA.CKA_VALUE_LEN);
        }
        using var root = KeyTemplates.Root([1]);
        Assert.Equal([false, false, false, false, true, true, false], usages.Select(usage => Flag(root, usage)));
        using var backup = KeyTemplates.Backup([1], new byte[32]);
        Assert.Equal([false, false, false, false, true, false, false], usages.Select(usage => Flag(backup, usage)));
    }

    [Fact]
    public void The_known_answers_are_what_another_implementation_gives()
    {
        using var gcm = new System.Security.Cryptography.AesGcm(KnownAnswers.GcmKey, 16);
        var ciphertext = new byte[60];
        var tag = new byte[16];
        gcm.Encrypt(KnownAnswers.GcmIv, KnownAnswers.GcmPlaintext, ciphertext, tag, KnownAnswers.GcmAssociatedData);
        Assert.Equal(KnownAnswers.GcmResult.ToArray(), ciphertext.Concat(tag));
        Assert.Equal(KnownAnswers.HmacResult.ToArray(), System.Security.Cryptography.HMACSHA256.HashData(KnownAnswers.HmacKey, KnownAnswers.HmacData));
    }

    private static unsafe bool Flag(AttributeTemplate template, CKA type)
    {
        var item = template.Items.Single(item => item.type == (ulong)type);
        return *(byte*)item.value != 0;
    }
}
